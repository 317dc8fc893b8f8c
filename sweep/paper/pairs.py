"""Paired differences: a method against a baseline, seed by seed. Standard library only.

The methods of a seed see the same data, noise and initial weights, so their difference is more
certain than either number.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweep.paper.scores import score_name, t_interval
from sweep.store.vocabulary import FINISHED, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedDifference:
    """A seed's distances under the baseline and the other method at the last common iteration.

    `best_difference` is of the two best scores, each at an iteration of its own; None without one.
    """

    seed: int
    iteration: int
    baseline: float
    other: float
    difference: float
    best_difference: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedDifference:
    """Method minus baseline: below 0 the method is better. `interval` is the paired t interval of
    95 %, None for fewer than three seeds; `best_*` are the same of the best scores."""

    n: int
    seeds: list[SeedDifference]
    mean: float
    interval: tuple[float, float] | None
    best_mean: float | None
    best_interval: tuple[float, float] | None


# Parts of a configuration that its method brings, nugan's logged eigenvalues included. `n_critic`
# and the batch of G are not among them: where they differ, an iteration is other work, and the
# same iteration makes no pair.
METHODS_OWN = (
    "method",
    "i_ratio",
    "projection_period",
    "projection_burst",
    "penalty_weight",
    "loss",
    "packing",
    "unrolled_steps",
    "spectral_floor",
    "nudge_k",
    "nudge_every",
    "nudge_gamma",
    "hessian_k",
)


def configuration(row: Row) -> dict[str, Any]:
    """All that can change a number, but for what a mean goes over; None is left out.

    Which of a host's GPUs it was changes none.
    """
    config = json.loads(row["config"] or "{}")
    if isinstance(device := config.get("device"), str):
        config["device"] = device.partition(":")[0]
    left_out = ("seed", "method", "i_ratio")
    return {k: v for k, v in config.items() if v is not None and k not in left_out}


def comparable_part(row: Row) -> dict[str, Any]:
    """Configuration without what belongs to the method: equal in both trials of a pair.

    D's rate is one method's idea and, where it was chosen for another, a difference.
    """
    own = METHODS_OWN
    if row["method"] == "sn-ttur":
        own = (*METHODS_OWN, "discriminator_rate_factor")
    return {k: v for k, v in configuration(row).items() if k not in own}


def paired_differences(
    methods: Mapping[str, Sequence[Row]],
    curves: Callable[[str], Sequence[Row]],
    baseline: str = "sn",
) -> dict[str, PairedDifference]:
    """Differences of each method that shares a finished seed with the baseline; rows of `trials`.

    A pair is formed only of trials that differ in nothing but what is the method's own, at the
    last iteration that both have evaluated: a stopped SN run ends before its twin.
    """
    differences = {}
    twins = {row["seed"]: row for row in methods.get(baseline, ()) if row["status"] in FINISHED}
    for method, rows in methods.items():
        seeds = [
            seed
            for row in rows
            if method != baseline
            and row["status"] in FINISHED
            and (twin := twins.get(row["seed"])) is not None
            and comparable_part(row) == comparable_part(twin)
            and (seed := _seed_difference(twin, row, curves)) is not None
        ]
        if seeds:
            values = [seed.difference for seed in seeds]
            bests = [s.best_difference for s in seeds if s.best_difference is not None]
            differences[method] = PairedDifference(
                n=len(seeds),
                seeds=seeds,
                mean=statistics.fmean(values),
                interval=t_interval(values) if len(seeds) > 2 else None,
                best_mean=statistics.fmean(bests) if bests else None,
                best_interval=t_interval(bests) if len(bests) > 2 else None,
            )
    return differences


def _seed_difference(
    base: Row, other: Row, curves: Callable[[str], Sequence[Row]]
) -> SeedDifference | None:
    score = score_name(base)
    values = [
        {row["iteration"]: row[score] for row in curves(trial["trial_id"])}
        for trial in (base, other)
    ]
    common = [
        iteration
        for iteration, value in values[0].items()
        if value is not None and values[1].get(iteration) is not None
    ]
    if not common:
        return None
    last = max(common)
    a, b = values[0][last], values[1][last]
    best = [trial.get(f"best_{score}") for trial in (base, other)]
    return SeedDifference(
        seed=base["seed"],
        iteration=last,
        baseline=a,
        other=b,
        difference=b - a,
        best_difference=None if best[0] is None or best[1] is None else best[1] - best[0],
    )
