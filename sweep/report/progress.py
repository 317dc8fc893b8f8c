"""Progress of every trial of a sweep, and the time until the last one is done."""

from __future__ import annotations

import heapq
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from sweep.store.judgement import reasons_not_judged
from sweep.store.vocabulary import FINISHED, is_halved
from trainer.config.methods import DEFAULT_I_RATIO
from trainer.config.own_trial import AnyTrial, OwnTrial, work_of
from trainer.config.picture_gauge import TITLE, is_gauged
from trainer.verdict import in_words

FINAL_STATUSES = (*FINISHED, "failed", "superseded")


def method_in_words(method: str, i_ratio: float | None, data_share: float | None) -> str:
    """The method, with its i where that is not the default, and its share of the images."""
    i = "" if i_ratio in (None, DEFAULT_I_RATIO) else f" i {i_ratio:g}"
    return method + i + ("" if data_share is None else f" on {100 * data_share:g} %")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialProgress:
    """Progress of a trial. `spent` is in s, of this command; `done_before` and `iteration`
    in iterations, `score` the name of what `distance` is. One that a rung has stopped
    `is_halved`."""

    setting: str
    method: str
    i_ratio: float | None = None
    data_share: float | None = None
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
    score: str = "FD"
    spectrum_left: float | None = None
    verdict: str = ""
    is_halved: bool = False

    @property
    def has_ended(self) -> bool:
        return self.is_halved or self.status in FINAL_STATUSES

    @property
    def method_in_words(self) -> str:
        return method_in_words(self.method, self.i_ratio, self.data_share)

    @property
    def operations_left(self) -> float:
        if self.has_ended:
            return 0.0
        # A loop of its own may go on past its plan.
        return max(0.0, self.operations * (1 - self.iteration / self.iterations))

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


class Progress:
    """Progress of every trial of a sweep. `slots` is how many run at once.

    A report costs the same however many trials there are: each trial's part is taken out of the
    sums when it changes, and put in again. Only put() changes a trial. A live display asks from a
    thread of its own.
    """

    def __init__(self, trials: Mapping[str, TrialProgress], slots: int = 1) -> None:
        self.slots = slots
        self.start_time = time.monotonic()
        self._lock = threading.Lock()
        self._trials: dict[str, TrialProgress] = {}
        self._counts: Counter[str] = Counter()
        self._ended = 0
        self._operations = self._operations_left = self._operations_done = 0.0
        self._busy_seconds = 0.0
        # Number of trials that have done something in this command.
        self._timed = 0
        # Seconds left of the trials that have a pace of their own and have not ended: not many
        # more than run at once.
        self._paced: dict[str, float] = {}
        # Multiply-adds left of the others, negative, so that the most is on top; also of trials
        # that have changed since, which are dropped when they come to the top.
        self._unpaced: list[tuple[float, str]] = []
        for trial_id, trial in trials.items():
            self.put(trial_id, trial)

    @property
    def trials(self) -> Mapping[str, TrialProgress]:
        return MappingProxyType(self._trials)

    def put(self, trial_id: str, trial: TrialProgress) -> None:
        """Adds a trial, or takes in how it stands now."""
        with self._lock:
            earlier = self._trials.get(trial_id)
            if earlier is not None:
                self._count(earlier, -1)
                self._paced.pop(trial_id, None)
            self._trials[trial_id] = trial
            self._count(trial, 1)
            if trial.has_ended:
                return
            if (seconds_left := trial.eta_seconds) is not None:
                self._paced[trial_id] = seconds_left
            elif earlier is None or _unpaced_work(earlier) != trial.operations_left:
                heapq.heappush(self._unpaced, (-trial.operations_left, trial_id))

    def add(self, config: AnyTrial, row: Mapping[str, Any] | None) -> None:
        """Adds a trial; `row` is its stored row if it has ended."""
        self.put(config.trial_id, _start(config, row))

    def set_status(self, trial_id: str, status: str) -> TrialProgress:
        """Gives a trial another status; returns how it stands."""
        trial = replace(self._trials[trial_id], status=status, is_halved=False)
        self.put(trial_id, trial)
        return trial

    def report(self, result: Mapping[str, Any]) -> TrialProgress:
        """Takes in what a trial reported; a value that is not finite was left out of it."""
        changes: dict[str, Any] = {"status": result["status"], "is_halved": "rung" in result}
        if "iteration" in result:
            changes |= {
                "iteration": result["iteration"],
                "done_before": result["resumed_at"],
                "spent": result["spent"],
                "verdict": result["verdict"],
            }
            measured = ("modes", "distance", "best", "spectrum_left")
            changes |= {name: result.get(name) for name in measured}
        trial = replace(self._trials[result["trial"]], **changes)
        self.put(result["trial"], trial)
        return trial

    @property
    def counts(self) -> dict[str, int]:
        return {status: count for status, count in self._counts.items() if count}

    @property
    def trials_ended(self) -> int:
        return self._ended

    @property
    def operations(self) -> float:
        return self._operations

    @property
    def operations_left(self) -> float:
        # The sums are of rounded parts: nothing left may be a little less than nothing.
        return max(0.0, self._operations_left)

    @property
    def busy_seconds(self) -> float:
        """Time that trials have spent on training and evaluations in this command."""
        return max(0.0, self._busy_seconds)

    @property
    def eta_seconds(self) -> float | None:
        """Seconds left by the measured time per multiply-add; None until there is one."""
        with self._lock:
            if not self._timed:
                return None
            rate = self.busy_seconds / self._operations_done
            each_left = [*self._paced.values()]
            seconds_left, longest = sum(each_left), max(each_left, default=0.0)
            if most_unpaced := self._most_unpaced():
                paced_left = sum(self._trials[i].operations_left for i in self._paced)
                seconds_left += rate * max(most_unpaced, self.operations_left - paced_left)
                longest = max(longest, rate * most_unpaced)
        # The last trials run side by side: never less than the longest of them.
        return max(seconds_left / self.slots, longest)

    def _count(self, trial: TrialProgress, sign: int) -> None:
        self._counts[trial.status] += sign
        self._ended += sign * trial.has_ended
        self._operations += sign * trial.operations
        self._operations_left += sign * trial.operations_left
        self._operations_done += sign * trial.operations_done
        self._busy_seconds += sign * trial.spent
        self._timed += sign * bool(trial.operations_done)

    def _most_unpaced(self) -> float:
        """The most multiply-adds that are left of a trial without a pace of its own."""
        while self._unpaced:
            negative, trial_id = self._unpaced[0]
            trial = self._trials[trial_id]
            if _unpaced_work(trial) == -negative:
                return -negative
            heapq.heappop(self._unpaced)
        return 0.0


def _unpaced_work(trial: TrialProgress) -> float | None:
    """Multiply-adds left of a trial without a pace of its own; None of any other."""
    return trial.operations_left if trial.eta_seconds is None else None


def progress_of(
    trials: Sequence[AnyTrial], final_rows: Mapping[str, Mapping[str, Any]]
) -> Progress:
    """The start: all planned, but for those whose stored row is given by id in `final_rows`."""
    return Progress({c.trial_id: _start(c, final_rows.get(c.trial_id)) for c in trials})


def _distance_word(config: AnyTrial) -> str:
    if isinstance(config, OwnTrial):
        return config.score or "score"
    return TITLE if is_gauged(config.scorer) else "FD"


def _start(config: AnyTrial, row: Mapping[str, Any] | None) -> TrialProgress:
    trial = TrialProgress(
        setting=config.setting,
        method=config.method,
        i_ratio=config.i_ratio,
        data_share=config.data_share,
        seed=config.seed,
        iterations=config.iterations,
        score=_distance_word(config),
        operations=work_of(config),
    )
    if row is None:
        return trial
    return replace(
        trial,
        status=row["status"],
        is_halved=is_halved(row),
        iteration=row["iteration"],
        done_before=row["iteration"],
        modes=row["final_modes"],
        distance=row[f"final_{config.score_name}"],
        best=row[f"best_{config.score_name}"],
        spectrum_left=row["final_spectrum_left"],
        verdict=in_words(row, reasons_not_judged(row)),
    )
