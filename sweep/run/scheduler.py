"""The scheduler of a search: stops trials at rungs by asynchronous successive halving.

It is decided by the driver, from the evaluations that the store has. Tune's own scheduler sees no
trial of an earlier start, and lets one whose metric is NaN run to its end.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sweep.plan.halving import Halving, Rung, goes_on, value_at
from sweep.store.store import Store
from sweep.store.vocabulary import Row
from trainer.config.own_trial import AnyTrial, OwnTrial


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """The end of a trial at a rung, with its value and how many had reached the rung."""

    rung: Rung
    value: float
    n: int
    reduction: int

    @property
    def columns(self) -> dict[str, Any]:
        """What is stored of it in `trials`."""
        return {
            "stop_reason": self.reason,
            "rung": self.rung.number,
            "rung_budget": self.rung.budget,
        }

    @property
    def reason(self) -> str:
        """A sentence with its numbers."""
        place = f"rung {self.rung.number} of successive halving, at iteration {self.rung.budget}"
        if not math.isfinite(self.value):
            return f"{place}: no score was finite"
        return f"{place}: {self.value:.4g} is not among the best 1/{self.reduction} of {self.n}"


class Scheduler:
    """Decides at each rung, once per trial. `group` names the trials that a trial is compared
    with; those of none run to their end."""

    def __init__(self, halving: Halving, store: Store, group: Callable[[str], str | None]) -> None:
        self.halving = halving
        self.store = store
        self.group = group
        # By group and number of the rung: the value of each trial that reached it.
        self._values: dict[tuple[str, int], dict[str, float]] = defaultdict(dict)
        self._decided: dict[str, int] = {}

    def recall(self, configs: Iterable[AnyTrial], rows: Mapping[str, Row]) -> list[AnyTrial]:
        """Works out the rungs of trials of earlier starts; `rows` are theirs of `trials`.

        Returns those that ended their last start at a rung: it is not known to be decided.
        """
        undecided = []
        for config in configs:
            if config.trial_id not in rows or self.group(config.trial_id) is None:
                continue
            evaluations = self._evaluations(config)
            last = max((row["iteration"] for row in evaluations), default=0)
            # What was stopped went on for a moment, and did not reach what came then.
            halted_at = rows[config.trial_id].get("rung")
            for rung in self.halving.rungs(config):
                if rung.budget <= last and (halted_at is None or rung.number <= halted_at):
                    self._note(config, rung, evaluations)
                    if rung.budget == last:
                        undecided.append(config)
        return undecided

    def decide(self, config: AnyTrial, iteration: int) -> Halt | None:
        """Decides about a trial that has just evaluated; None if it goes on."""
        group = self.group(config.trial_id)
        rungs = [rung for rung in self.halving.rungs(config) if rung.budget <= iteration]
        if group is None or not rungs:
            return None
        decided = self._decided.get(config.trial_id, 0)
        for rung in rungs[decided:-1]:
            self._note(config, rung, self._evaluations(config))  # reports that came together
        return self._decision(config, rungs[-1]) if rungs[-1].number > decided else None

    def decide_again(self, config: AnyTrial) -> Halt | None:
        """Decides about a trial that an earlier start left at a rung."""
        number = self._decided[config.trial_id]
        return self._decision(config, self.halving.rungs(config)[number - 1])

    def _decision(self, config: AnyTrial, rung: Rung) -> Halt | None:
        self._note(config, rung, self._evaluations(config))
        values = self._values[self.group(config.trial_id) or "", rung.number]
        value = values[config.trial_id]
        reduction = self.halving.reduction
        if goes_on(value, values.values(), reduction):
            return None
        return Halt(rung=rung, value=value, n=len(values), reduction=reduction)

    def _note(self, config: AnyTrial, rung: Rung, evaluations: list[Row]) -> None:
        key = self.group(config.trial_id) or "", rung.number
        higher = isinstance(config, OwnTrial) and config.is_higher_better
        value = value_at(rung, evaluations, config.score_name, higher_is_better=higher)
        self._values[key][config.trial_id] = value
        self._decided[config.trial_id] = rung.number

    def _evaluations(self, config: AnyTrial) -> list[Row]:
        return list(self.store.read_rows("evaluations", config.trial_id))
