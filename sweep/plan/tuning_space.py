"""The tuning space of a method: its candidates, by the levels of its knobs, as trials.

Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import Any

from trainer.config.knobs import KNOBS, RATE, Knob
from trainer.config.lookup import UsageError
from trainer.config.trial import TrialConfig, trial_config

# A value for each knob of a method, in the order of the table.
Candidate = dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningSpace:
    """The candidates of a `method`, tuned on a `setting`.

    `changes` are fields of every trial: iterations, precision, scorer.
    """

    profile: str
    setting: str
    method: str
    changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def knobs(self) -> Sequence[Knob]:
        return KNOBS[self.method]

    @property
    def size(self) -> int:
        """Number of candidates, those that cannot run included; 0 where nothing is tuned."""
        return prod(len(knob.levels) for knob in self.knobs) if self.knobs else 0

    def published(self) -> Candidate:
        """The candidate that is the method as published: its defaults."""
        config = trial_config(self.profile, self.setting, self.method, 0, **self.changes)
        values = {knob.name: getattr(config, knob.name) for knob in self.knobs}
        if RATE.name in values and values[RATE.name] is None:
            values[RATE.name] = 1.0
        return values

    def candidates(self) -> Iterator[Candidate]:
        """Yields every candidate that can run on the setting."""
        for levels in product(*(knob.levels for knob in self.knobs)):
            candidate = {k.name: level for k, level in zip(self.knobs, levels, strict=True)}
            if self.runs(candidate):
                yield candidate

    def runs(self, candidate: Candidate) -> bool:
        """Tells whether the candidate's values go together on the setting."""
        try:
            self.trial(candidate, 0)
        except UsageError:
            return False
        return True

    def trial(self, candidate: Candidate, seed: int, setting: str | None = None) -> TrialConfig:
        """The trial of a candidate, on another setting if one is given. Raises UsageError."""
        values: dict[str, Any] = {**self.changes, **candidate}
        return trial_config(self.profile, setting or self.setting, self.method, seed, **values)

    def distance(self, first: Candidate, second: Candidate) -> float:
        """Distance of two candidates: the difference of levels per knob, 1 over its range."""
        return sum(
            abs(knob.levels.index(first[knob.name]) - knob.levels.index(second[knob.name]))
            / (len(knob.levels) - 1)
            for knob in self.knobs
        )
