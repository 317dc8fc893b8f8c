"""The queue of trials: those that wait, and those that run. Knows neither Ray nor the store."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sweep.plan.resources import Share, bigger
from trainer.config.trial import TrialConfig


class Suggestions(Protocol):
    """A source of trials that no plan has yet."""

    def next(self) -> TrialConfig | None:
        """A trial to start now; None if there is none now, or none any more."""
        ...

    def finished(self) -> bool:
        """True if no trial will be suggested any more."""
        ...

    def tell(self, trial_id: str, row: Mapping[str, Any] | None) -> None:
        """A trial has ended; `row` is what the store has of it in `trials`."""
        ...

    def lines(self) -> list[str]:
        """Lines to print at the end."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A trial and what it gets of the cluster."""

    config: TrialConfig
    share: Share


class Backlog:
    """Planned trials in their order, then those that need another go, then suggested ones.

    At most `limit` are handed out at once; None leaves it to the cluster.
    """

    def __init__(
        self,
        planned: Iterable[TrialConfig],
        share_of: Callable[[TrialConfig], Share],
        *,
        limit: int | None = None,
        suggest: Callable[[], TrialConfig | None] = lambda: None,
        exhausted: Callable[[], bool] = lambda: True,
    ) -> None:
        self.share_of = share_of
        self.limit = limit
        self.suggest = suggest
        self.exhausted = exhausted
        # Each with the share that an earlier attempt showed to be needed; with None it is worked
        # out when the trial is handed out, as nodes come and go.
        self.waiting: deque[tuple[TrialConfig, Share | None]] = deque((c, None) for c in planned)
        self.running: dict[str, Job] = {}
        self.stopped = False

    def next(self) -> Job | None:
        """The job to start now, if there is one."""
        if self.stopped or (self.limit is not None and len(self.running) >= self.limit):
            return None
        if not self.waiting and (config := self.suggest()) is not None:
            self.waiting.append((config, None))
        if not self.waiting:
            return None
        config, share = self.waiting.popleft()
        job = Job(config=config, share=share or self.share_of(config))
        self.running[job.config.trial_id] = job
        return job

    @property
    def finished(self) -> bool:
        """True if next() will never have one again; a running trial may still need another go."""
        if self.running:
            return False
        return self.stopped or (not self.waiting and self.exhausted())

    def release(self, trial_id: str, *, out_of_memory: bool = False) -> Share | None:
        """Takes a trial that has ended off the running ones.

        Out of memory it is queued again, last, with more of a GPU, which is returned. A whole GPU
        that was too small stays so.
        """
        job = self.running.pop(trial_id)
        larger_share = bigger(job.share) if out_of_memory and not self.stopped else None
        if larger_share is not None:
            self.waiting.append((job.config, larger_share))
        return larger_share

    def requeue(self, config: TrialConfig) -> bool:
        """Queues a trial once more; False if it waits or runs already."""
        waiting = {config.trial_id for config, _ in self.waiting}
        if self.stopped or config.trial_id in waiting | self.running.keys():
            return False
        self.waiting.append((config, None))
        return True

    def take_back(self) -> list[str]:
        """Queues what runs once more, first and with its share; returns the ids."""
        jobs = list(self.running.values())
        self.running.clear()
        if not self.stopped:
            self.waiting.extendleft((job.config, job.share) for job in reversed(jobs))
        return [job.config.trial_id for job in jobs]

    def drop(self, trial_id: str) -> None:
        """Takes a trial that has not been handed out off the queue."""
        self.waiting = deque(each for each in self.waiting if each[0].trial_id != trial_id)

    def stop(self) -> None:
        """Starts nothing more; leaves alone what runs."""
        self.stopped = True
        self.waiting.clear()
