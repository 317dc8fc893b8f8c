"""Areas against closed forms and against the trapezoids under the curve."""

from __future__ import annotations

import math
import random
from itertools import pairwise
from statistics import NormalDist

import pytest

from sweep.paper import roc


def pairs_of(collapsed, healthy):
    """Of one seed each."""
    return roc.concordance({0: [(h, math.inf) for h in collapsed]}, {math.inf: {0: healthy}})


def test_the_area_by_hand() -> None:
    # 3 > 1, 3 > 2, 2 > 1 and one tie of 4 pairs.
    assert roc.area(pairs_of([3.0, 2.0], [1.0, 2.0])) == 3.5 / 4
    assert roc.area(pairs_of([1.0], [2.0])) == 0
    assert roc.area({}) is None


def test_two_normal_distributions_have_the_area_of_the_formula() -> None:
    """Phi(d / sqrt(2)) for two normal distributions a distance d apart."""
    standard = NormalDist()
    quantiles = [standard.inv_cdf((k + 0.5) / 400) for k in range(400)]
    for distance in (0.0, 0.5, 1.0, 2.0):
        measured = roc.area(pairs_of([q + distance for q in quantiles], quantiles))
        assert measured == pytest.approx(standard.cdf(distance / math.sqrt(2)), abs=2e-3)


def test_the_curve_has_the_same_area() -> None:
    rng = random.Random(1)
    collapsed = [rng.randrange(8) + 2.0 for _ in range(40)]
    healthy = [float(rng.randrange(8)) for _ in range(30)]
    points = roc.curve(collapsed, healthy)
    assert (points[0], points[-1]) == ((0.0, 0.0), (1.0, 1.0))
    trapezoids = sum((b[0] - a[0]) * (b[1] + a[1]) / 2 for a, b in pairwise(points))
    assert trapezoids == pytest.approx(roc.area(pairs_of(collapsed, healthy)))


def test_a_run_without_an_alarm_is_below_all() -> None:
    assert roc.area(pairs_of([-math.inf], [0.0])) == 0
    assert roc.area(pairs_of([-math.inf], [-math.inf])) == 0.5


def test_each_collapsed_run_is_beside_the_others_until_its_own_horizon() -> None:
    healthy = {0.5: {0: [1.0]}, 1.0: {0: [5.0]}}
    assert roc.area(roc.concordance({0: [(3.0, 0.5), (3.0, 1.0)]}, healthy)) == 0.5


def seeds_apart(distance: float, seeds: int, spread: float = 1.0):
    rng = random.Random(2)
    ill = {
        seed: [(rng.gauss(distance, spread), math.inf) for _ in range(4)] for seed in range(seeds)
    }
    well = {seed: [rng.gauss(0, spread) for _ in range(4)] for seed in range(seeds)}
    return roc.concordance(ill, {math.inf: well})


def test_the_interval_holds_the_area_and_narrows_with_seeds() -> None:
    widths = []
    for seeds in (5, 80):
        pairs = seeds_apart(1.0, seeds)
        low, high = roc.interval(pairs) or (1.0, 0.0)
        value = roc.area(pairs)
        assert value is not None
        assert low < value < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 2
    low, high = roc.interval(seeds_apart(1.0, 80)) or (1.0, 0.0)
    assert low < NormalDist().cdf(1 / math.sqrt(2)) < high


def test_the_interval_is_the_same_each_time() -> None:
    assert roc.interval(seeds_apart(1.0, 6)) == roc.interval(seeds_apart(1.0, 6))


def test_too_few_seeds_or_no_overlap_have_no_interval() -> None:
    assert roc.interval(seeds_apart(1.0, 2)) is None
    assert roc.interval(seeds_apart(100.0, 9)) is None
