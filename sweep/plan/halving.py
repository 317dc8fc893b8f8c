"""Asynchronous successive halving (ASHA; Li et al. 2020): which trials go on at a rung.

Pure functions of a trial's evaluations, so that rungs are worked out again from the store whenever
a driver starts. Standard library only.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sweep.store.vocabulary import Row
from trainer.config.lookup import UsageError
from trainer.config.own_trial import AnyTrial

# Rungs at a ninth and a third of the run, where no grace is given.
DEFAULT_REDUCTION = 3
DEFAULT_RUNGS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """A rung, numbered from 1, and its `budget`: the iterations after which it is decided."""

    number: int
    budget: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Halving:
    """The rungs of every trial: at `grace` iterations, and at each `reduction` times more.

    Of the trials that reached a rung the best 1/`reduction` go on. Raises UsageError for values
    that give no rungs.
    """

    reduction: int = DEFAULT_REDUCTION
    grace: int | None = None

    def __post_init__(self) -> None:
        if self.reduction < 2:
            raise UsageError(f"--reduction must be at least 2, but got {self.reduction}")
        if self.grace is not None and self.grace < 1:
            raise UsageError(f"--grace must be at least 1 iteration, but got {self.grace}")

    def rungs(self, config: AnyTrial) -> list[Rung]:
        """The rungs of a trial, each at an evaluation before its end."""
        every = config.evaluate_every
        budget = float(self.grace or config.iterations / self.reduction**DEFAULT_RUNGS)
        budgets: list[int] = []
        while (iteration := math.ceil(budget / every) * every) < config.iterations:
            if iteration not in budgets:
                budgets.append(iteration)
            budget *= self.reduction
        return [Rung(number=k, budget=reached) for k, reached in enumerate(budgets, start=1)]


def value_at(
    rung: Rung, evaluations: Sequence[Row], score: str, *, higher_is_better: bool = False
) -> float:
    """The best (lowest) score of a trial's evaluations up to the rung; infinite, which is worse
    than any, if there is none or one of them is not finite. Where higher is better it is negative,
    and so lower is."""
    rows = [row for row in evaluations if row["iteration"] <= rung.budget]
    values = [row[score] for row in rows if row[score] is not None and math.isfinite(row[score])]
    if not values or any(row["finite"] is False for row in rows):
        return math.inf
    return min(-value for value in values) if higher_is_better else min(values)


def goes_on(value: float, values: Collection[float], reduction: int) -> bool:
    """Tells whether a trial with that value is among the best 1/`reduction` of `values`, its own
    included; of fewer trials the best one is. A value that is not finite never is."""
    if not math.isfinite(value):
        return False
    better = sum(each < value for each in values)
    return better < max(1, len(values) // reduction)
