"""The queue of trials: those that wait, and those that run. Knows neither Ray nor the store."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sweep.plan.resources import Share, bigger
from trainer.config.own_trial import AnyTrial


class Suggestions(Protocol):
    """A source of trials that no plan has yet."""

    def next(self) -> AnyTrial | None:
        """A trial to start now; None if there is none now, or none any more."""
        ...

    def finished(self) -> bool:
        """True if no trial will be suggested any more."""
        ...

    def tell(self, trial_id: str, row: Mapping[str, Any] | None) -> None:
        """A trial has ended; `row` is what the store has of it in `trials`."""
        ...

    def group(self, trial_id: str) -> str | None:
        """Name of the trials that a scheduler compares this one with; None if it stops none."""
        ...

    def lines(self) -> list[str]:
        """Lines to print at the end."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A trial and what it gets of the cluster. `larger_share` is the one that an earlier attempt
    showed to be needed; `returned` says that the trial was handed out before and came back."""

    config: AnyTrial
    share: Share
    larger_share: Share | None = None
    returned: bool = False


class Backlog:
    """Planned trials in their order, then those that need another go, then suggested ones.

    At most `limit` are handed out at once; None leaves it to the cluster. A trial that came back
    without an end of its own goes first, once `ready` allows it: others go before it until then.
    A worker that died is replaced up to `max_deaths` times per trial.
    """

    def __init__(
        self,
        planned: Iterable[AnyTrial],
        share_of: Callable[[AnyTrial], Share],
        *,
        limit: int | None = None,
        suggest: Callable[[], AnyTrial | None] = lambda: None,
        exhausted: Callable[[], bool] = lambda: True,
        ready: Callable[[str], bool] = lambda trial_id: True,
        max_deaths: int = 0,
    ) -> None:
        self.share_of = share_of
        self.limit = limit
        self.ready = ready
        self.max_deaths = max_deaths
        self.suggest = suggest
        self.exhausted = exhausted
        # Each with the share that an earlier attempt showed to be needed; with None it is worked
        # out when the trial is handed out, as nodes come and go.
        self.waiting: deque[tuple[AnyTrial, Share | None]] = deque((c, None) for c in planned)
        self.running: dict[str, Job] = {}
        self.returned: set[str] = set()
        self.handed_out: set[str] = set()
        self.deaths: Counter[str] = Counter()
        self.stopped = False

    def next(self) -> Job | None:
        """The job to start now, if there is one."""
        if (position := self._next_position()) is None:
            return None
        config, larger_share = self.waiting[position]
        del self.waiting[position]
        job = Job(
            config=config,
            share=larger_share or self.share_of(config),
            larger_share=larger_share,
            returned=config.trial_id in self.returned,
        )
        self.returned.discard(config.trial_id)
        self.running[config.trial_id] = job
        self.handed_out.add(config.trial_id)
        return job

    def _next_position(self) -> int | None:
        """Place in the queue of the trial to start now; may suggest one first."""
        if self.stopped or (self.limit is not None and len(self.running) >= self.limit):
            return None
        for position, (config, _) in enumerate(self.waiting):
            if self.ready(config.trial_id):
                return position
        if self.limit is not None and len(self.waiting) >= self.limit:
            return None  # enough suggestions are out whose results are not known
        if (config := self.suggest()) is None:
            return None
        self.waiting.append((config, None))
        return len(self.waiting) - 1 if self.ready(config.trial_id) else None

    @property
    def idle(self) -> bool:
        """True if nothing runs, and what waits cannot start yet."""
        return not self.running and self._next_position() is None

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

    def put_back(self, trial_id: str, *, began: bool = True) -> None:
        """Takes a trial off the running ones and queues it first, unless stopped.

        `began` says whether a worker had it: only then does it go before what has no worker yet.
        """
        job = self.running.pop(trial_id)
        if self.stopped:
            return
        self.waiting.appendleft((job.config, job.larger_share))
        if began or job.returned:
            self.returned.add(trial_id)

    def lose(self, trial_id: str, *, counts: bool = True) -> bool:
        """Puts back a trial whose worker has died; False if that was once too often.

        A death that does not count is one of the cluster's own making, like preemption.
        """
        self.deaths[trial_id] += counts
        if self.deaths[trial_id] > self.max_deaths:
            del self.running[trial_id]
            return False
        self.put_back(trial_id)
        return True

    def forgive(self, trial_id: str) -> None:
        """Takes back the last death of a trial: it was not the trial's own."""
        self.deaths[trial_id] = max(0, self.deaths[trial_id] - 1)

    def requeue(self, config: AnyTrial) -> bool:
        """Queues a trial once more; False if it waits or runs already."""
        waiting = {config.trial_id for config, _ in self.waiting}
        if self.stopped or config.trial_id in waiting | self.running.keys():
            return False
        self.deaths.pop(config.trial_id, None)
        self.waiting.append((config, None))
        return True

    def take_back(self) -> list[str]:
        """Queues what runs once more, first and with its share; returns the ids."""
        trial_ids = list(self.running)
        for trial_id in reversed(trial_ids):
            self.put_back(trial_id)
        return trial_ids

    def drop(self, trial_id: str) -> None:
        """Takes a trial that has not been handed out off the queue."""
        self.waiting = deque(each for each in self.waiting if each[0].trial_id != trial_id)

    def stop(self) -> None:
        """Starts nothing more; leaves alone what runs."""
        self.stopped = True
        self.waiting.clear()
