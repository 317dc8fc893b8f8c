"""Means over runs, against interpolation and statistics of NumPy and SciPy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from scipy import stats

from api.results.mean_curves import MOST_POINTS, Run, grid, mean_curve, rows, schema, value_at
from sweep.store.vocabulary import SIGNALS

NAN = math.nan


def run(seed: int, x: Sequence[float], y: Sequence[float], **signals: int) -> Run:
    record: dict[str, Any] = dict.fromkeys(SIGNALS)
    record |= {"trial_id": f"t{seed}", "seed": seed} | signals
    return Run(record=record, iterations=[*range(0, 10 * len(x), 10)], x=x, y=y)


def test_statistics_are_scipys_where_all_runs_are() -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(100, 20, (5, 6))
    x = [0.0, 10, 20, 30, 40, 50]
    curve = mean_curve({"method": "sn"}, [run(k, x, row.tolist()) for k, row in enumerate(values)])
    assert [point.x for point in curve.points] == x
    assert [point.mean for point in curve.points] == pytest.approx(values.mean(0))
    assert [point.sd for point in curve.points] == pytest.approx(values.std(0, ddof=1))
    low, high = stats.t.interval(0.95, 4, values.mean(0), stats.sem(values))
    assert [point.ci95_low for point in curve.points] == pytest.approx(low)
    assert [point.ci95_high for point in curve.points] == pytest.approx(high)
    assert [point.max for point in curve.points] == pytest.approx(values.max(0))
    assert curve.points[2].values == pytest.approx(values[:, 2])


def test_a_run_that_has_ended_counts_no_longer() -> None:
    curve = mean_curve({}, [run(0, [0, 10, 20], [1, 2, 3]), run(1, [0, 10], [3, 6])])
    assert [(p.n, p.mean) for p in curve.points] == [(2, 2.0), (2, 4.0), (1, 3.0)]
    last = curve.points[-1]
    assert (last.sd, last.ci95_low, last.values) == (None, None, [3.0, None])
    assert curve.points[0].sd == pytest.approx(math.sqrt(2))
    assert curve.points[0].ci95_low is None


@pytest.mark.parametrize("odd", [NAN, math.inf])
def test_what_is_not_finite_is_counted_and_in_no_mean(odd: float) -> None:
    curve = mean_curve({}, [run(0, [0, 10, 20], [1, odd, odd]), run(1, [0, 10, 20], [3, 4, 5])])
    assert [(p.n, p.not_finite, p.mean) for p in curve.points] == [
        (2, 0, 2.0), (1, 1, 4.0), (1, 1, 5.0),
    ]  # fmt: skip
    assert curve.points[1].values == [None, 4.0]
    alone = mean_curve({}, [run(0, [0, 10], [NAN, NAN])])
    assert [(p.n, p.not_finite, p.mean) for p in alone.points] == [(0, 1, None)] * 2


def test_between_evaluations_it_is_numpys_interpolation() -> None:
    x, y = [1.0, 4.0, 9.0], [2.0, -1.0, 7.0]
    for place in (1.0, 2.5, 4.0, 8.99, 9.0):
        assert value_at(x, y, place) == pytest.approx(np.interp(place, x, y))
    assert value_at(x, y, 0.99) is None
    assert value_at(x, y, 9.01) is None
    assert value_at([], [], 1.0) is None
    on_the_way = value_at([0.0, 1.0], [1.0, NAN], 0.5)
    assert on_the_way is not None
    assert math.isnan(on_the_way)


def test_shared_positions_stay_and_others_are_spaced_evenly() -> None:
    shared = [run(0, [0, 10, 20], [1, 2, 3]), run(1, [0, 20], [1, 3])]
    assert grid(shared) == [0, 10, 20]
    own = [run(k, [k / 10 + 10 * step for step in range(5)], [0] * 5) for k in range(9)]
    places = grid(own)
    assert len(places) == 10
    assert (places[0], places[-1]) == (0, 40.8)
    assert np.diff(places) == pytest.approx([4.08 * 10 / 9] * 9)
    long = grid([run(0, [*range(1000)], [0] * 1000)])
    assert (len(long), long[0], long[-1]) == (MOST_POINTS, 0, 999)
    assert grid([]) == []


def test_collapses_are_on_the_mean_where_they_began() -> None:
    collapsed = run(0, [0, 100, 200], [4, 4, 8], mode_collapse_at=15, dead_at=999)
    curve = mean_curve({}, [collapsed, run(1, [0, 100, 200], [2, 2, 2])])
    (onset,) = curve.onsets  # the other one is beyond what was evaluated
    assert (onset.signal, onset.seed, onset.iteration) == ("mode collapse", 0, 15)
    assert (onset.x, onset.mean) == (150.0, pytest.approx((6 + 2) / 2))


def test_a_table_has_a_row_per_group_and_point() -> None:
    curve = mean_curve({"method": "sn"}, [run(0, [0, 10], [1, 2])])
    assert {*rows([curve])[0]} == {*schema(["method"]).names}
    assert [(row["method"], row["x"], row["n"]) for row in rows([curve])] == [
        ("sn", 0, 1), ("sn", 10, 1),
    ]  # fmt: skip
