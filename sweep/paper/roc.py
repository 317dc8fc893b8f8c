"""Receiver operating characteristic of heights of alarm, its area, an interval over seeds.

The area is Mann and Whitney's: how often a collapsed run stands above a healthy one, ties half.
Standard library only.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence

REPLICATES = 1000
FEWEST_SEEDS = 3
# By seeds of a collapsed and of a healthy run: pairs in which the first is higher, and all pairs.
Concordance = Mapping[tuple[int, int], tuple[float, int]]


def curve(collapsed: Sequence[float], healthy: Sequence[float]) -> list[tuple[float, float]]:
    """(share of false alarms, share of hits) at every threshold, from (0, 0) to (1, 1)."""
    hits, false = sorted(collapsed), sorted(healthy)
    points = [(0.0, 0.0)]
    for cut in sorted({*hits, *false}, reverse=True):
        points.append(
            (
                (len(false) - bisect_left(false, cut)) / len(false),
                (len(hits) - bisect_left(hits, cut)) / len(hits),
            )
        )
    return points


def concordance(
    collapsed: Mapping[int, Sequence[tuple[float, float]]],
    healthy: Mapping[float, Mapping[int, Sequence[float]]],
) -> Concordance:
    """Concordant pairs by seed of the collapsed and of the healthy run.

    `collapsed[seed]` has the height of each run and the horizon until which it counts,
    `healthy[horizon][seed]` the heights of the others until then.
    """
    ordered = {
        horizon: {seed: sorted(heights) for seed, heights in by_seed.items()}
        for horizon, by_seed in healthy.items()
    }
    counts: dict[tuple[int, int], tuple[float, int]] = {}
    for seed, runs in collapsed.items():
        for height, horizon in runs:
            for healthy_seed, heights in ordered[horizon].items():
                lower_count, up_to = bisect_left(heights, height), bisect_right(heights, height)
                wins, pairs = counts.get((seed, healthy_seed), (0.0, 0))
                counts[seed, healthy_seed] = wins + (lower_count + up_to) / 2, pairs + len(heights)
    return counts


def area(pairs: Concordance, weights: Mapping[int, int] | None = None) -> float | None:
    """Area under the curve; `weights` says how often each seed counts. None without a pair."""
    wins = total = 0.0
    for (seed, healthy_seed), (won, count) in pairs.items():
        weight = 1 if weights is None else weights.get(seed, 0) * weights.get(healthy_seed, 0)
        wins += weight * won
        total += weight * count
    return wins / total if total else None


def interval(pairs: Concordance) -> tuple[float, float] | None:
    """Percentile interval of 95 % of the area, from REPLICATES bootstraps of whole seeds.

    None below three seeds, where half of the bootstraps have no pair, and where all of them give
    one area: then the runs do not overlap, and a bootstrap cannot tell how nearly they do.
    """
    seeds = sorted({seed for pair in pairs for seed in pair})
    if len(seeds) < FEWEST_SEEDS:
        return None
    rng = random.Random(0)
    areas = []
    for _ in range(REPLICATES):
        weights: dict[int, int] = {}
        for seed in rng.choices(seeds, k=len(seeds)):
            weights[seed] = weights.get(seed, 0) + 1
        if (value := area(pairs, weights)) is not None:
            areas.append(value)
    areas.sort()
    if len(areas) < REPLICATES / 2 or areas[0] == areas[-1]:
        return None
    return areas[math.floor(0.025 * (len(areas) - 1))], areas[math.ceil(0.975 * (len(areas) - 1))]
