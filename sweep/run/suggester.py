"""Suggestions of a search, prepared beside its driver. Knows neither Ray nor the studies."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from sweep.run.plan_file import PlanFile
from sweep.run.queue import Suggestions
from sweep.store.store import Store
from sweep.store.vocabulary import Row
from trainer.config.own_trial import AnyTrial

# Suggested trials with the stored row of each that has ended before; the last one may be new.
Suggested = list[tuple[AnyTrial, Row | None]]


class Suggester:
    """Asks the studies in a thread of its own, so that the driver never waits for a sampler.

    They hear of ends and are asked for trials in the order in which the driver said so, one after
    the other: where one trial runs at a time, the same seed gives the same search. Each suggestion
    stands in the plan before it is handed out. Errors of the thread are raised by next().
    """

    def __init__(
        self,
        suggestions: Suggestions,
        store: Store,
        plan_file: Callable[[], PlanFile],
        is_done: Callable[[Row | None], bool],
    ) -> None:
        self.suggestions = suggestions
        self.store = store
        self.is_done = is_done
        self._make_plan_file = plan_file
        self._plan_file: PlanFile | None = None
        self._thread = ThreadPoolExecutor(1, "suggesting")
        self._next: Future[Suggested] | None = None
        self._tells: deque[Future[None]] = deque()

    def next(self, *, wait: bool) -> Suggested:
        """What is suggested now; nothing if there is none, or none yet and it is not to `wait`."""
        while self._tells and self._tells[0].done():
            self._tells.popleft().result()
        if self._next is None:
            self._next = self._thread.submit(self._prepare)
        if not wait and not self._next.done():
            return []
        suggested = self._next.result()
        self._next = None
        return suggested

    def tell(self, trial_id: str) -> None:
        """A trial has ended, and its row is stored."""
        self._tells.append(self._thread.submit(self._tell, trial_id))

    def finished(self) -> bool:
        """True if no trial will be suggested any more."""
        return self._next is None and self.suggestions.finished()

    def finish(self) -> None:
        """Waits until the studies have heard of every end."""
        self._thread.shutdown(wait=True)
        for future in self._tells:
            future.result()

    def abandon(self) -> None:
        """Does nothing more of what has not begun."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _prepare(self) -> Suggested:
        """The next new trial, after those that another sweep has run: the studies hear of these
        at once."""
        suggested: Suggested = []
        while (config := self.suggestions.next()) is not None:
            if self._plan_file is None:
                self._plan_file = self._make_plan_file()
            self._plan_file.append(config)
            row = self._row(config.trial_id)
            if not self.is_done(row):
                return [*suggested, (config, None)]
            suggested.append((config, row))
            self.suggestions.tell(config.trial_id, row)
        return suggested

    def _tell(self, trial_id: str) -> None:
        self.suggestions.tell(trial_id, self._row(trial_id))

    def _row(self, trial_id: str) -> Row | None:
        return next(iter(self.store.read_rows("trials", trial_id)), None)
