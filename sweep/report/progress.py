"""Progress of every trial of a sweep, and the time until the last one is done."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sweep.store.vocabulary import FINISHED
from trainer.collapse import in_words
from trainer.config.costs import operations
from trainer.config.methods import DEFAULT_I_RATIO
from trainer.config.trial import TrialConfig

FINAL_STATUSES = (*FINISHED, "failed", "superseded")


def method_and_i(method: str, i_ratio: float | None) -> str:
    """The method, with its i where that is not the default."""
    return method if i_ratio in (None, DEFAULT_I_RATIO) else f"{method} i {i_ratio:g}"


@dataclass(slots=True, kw_only=True)
class TrialProgress:
    """Progress of a trial. `spent` is in s, of this command; `done_before` and `iteration`
    in iterations."""

    setting: str
    method: str
    i_ratio: float | None = None
    seed: int
    iterations: int
    operations: float
    status: str = "planned"
    iteration: int = 0
    done_before: int = 0
    spent: float = 0.0
    modes: int | None = None
    distance: float | None = None
    best: float | None = None
    spectrum_left: float | None = None
    verdict: str = ""

    @property
    def method_and_i(self) -> str:
        return method_and_i(self.method, self.i_ratio)

    @property
    def operations_left(self) -> float:
        if self.status in FINAL_STATUSES:
            return 0.0
        return self.operations * (1 - self.iteration / self.iterations)

    @property
    def eta_seconds(self) -> float | None:
        """Seconds left for this trial alone, by its own pace; None until there is one."""
        if not self.operations_done:
            return None
        return self.operations_left * self.spent / self.operations_done

    @property
    def operations_done(self) -> float:
        """Multiply-adds done in this command, not in earlier ones."""
        return self.operations * (self.iteration - self.done_before) / self.iterations


@dataclass(slots=True, kw_only=True)
class Progress:
    """Progress of every trial of a sweep. `slots` is how many run at once."""

    trials: dict[str, TrialProgress]
    slots: int = 1
    start_time: float = field(default_factory=time.monotonic)

    def add(self, config: TrialConfig, row: Mapping[str, Any] | None) -> None:
        """Adds a trial; `row` is its stored row if it has ended."""
        self.trials[config.trial_id] = _start(config, row)

    def set_status(self, trial_id: str, status: str) -> TrialProgress:
        """Gives a trial another status; returns how it stands."""
        trial = self.trials[trial_id]
        trial.status = status
        return trial

    def report(self, result: Mapping[str, Any]) -> TrialProgress:
        """Takes in what a trial reported; a value that is not finite was left out of it."""
        trial = self.trials[result["trial"]]
        trial.status = result["status"]
        if "iteration" in result:
            trial.iteration = result["iteration"]
            trial.done_before = result["resumed_at"]
            trial.spent = result["spent"]
            trial.verdict = result["verdict"]
            for name in ("modes", "distance", "best", "spectrum_left"):
                setattr(trial, name, result.get(name))
        return trial

    @property
    def counts(self) -> dict[str, int]:
        return dict(Counter(trial.status for trial in self.trials.values()))

    @property
    def trials_ended(self) -> int:
        return sum(trial.status in FINAL_STATUSES for trial in self.trials.values())

    @property
    def operations(self) -> float:
        return sum(trial.operations for trial in self.trials.values())

    @property
    def operations_left(self) -> float:
        return sum(trial.operations_left for trial in self.trials.values())

    @property
    def busy_seconds(self) -> float:
        """Time that trials have spent on training and evaluations in this command."""
        return sum(trial.spent for trial in self.trials.values())

    @property
    def eta_seconds(self) -> float | None:
        """Seconds left by the measured time per multiply-add; None until there is one."""
        done = sum(trial.operations_done for trial in self.trials.values())
        if not done:
            return None
        rate = self.busy_seconds / done
        seconds_left = [
            trial.operations_left
            * (trial.spent / trial.operations_done if trial.operations_done else rate)
            for trial in self.trials.values()
        ]
        # The last trials run side by side: never less than the longest of them.
        return max(sum(seconds_left) / self.slots, max(seconds_left))


def progress_of(
    trials: Sequence[TrialConfig], final_rows: Mapping[str, Mapping[str, Any]]
) -> Progress:
    """The start: all planned, but for those whose stored row is given by id in `final_rows`."""
    return Progress(trials={c.trial_id: _start(c, final_rows.get(c.trial_id)) for c in trials})


def _start(config: TrialConfig, row: Mapping[str, Any] | None) -> TrialProgress:
    trial = TrialProgress(
        setting=config.setting,
        method=config.method,
        i_ratio=config.i_ratio,
        seed=config.seed,
        iterations=config.iterations,
        operations=operations(config),
    )
    if row is not None:
        trial.status = row["status"]
        trial.iteration = trial.done_before = row["iteration"]
        trial.modes = row["final_modes"]
        trial.distance = row[f"final_{config.score_name}"]
        trial.best = row[f"best_{config.score_name}"]
        trial.spectrum_left = row["final_spectrum_left"]
        trial.verdict = in_words(row)
    return trial
