"""Follows a sweep in its store, and sends what is new of each trial to a tracker, once."""

from __future__ import annotations

import hashlib
import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import islice

from sweep.mirrors.marks import Mark, Marks
from sweep.mirrors.runs import COLUMNS, Run, run_of
from sweep.mirrors.tracker import Away, Refused, Tracker
from sweep.report.changed_trials import ChangedTrials
from sweep.report.notifier import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS
from sweep.store.ownership import read_owner
from sweep.store.store import Store, StoreError
from sweep.store.tables import first_line

# Trials whose marks are in doubt at once: so many are asked for after a kill.
BATCH_TRIALS = 32
# States of a driver after which its sweep has nothing more to mirror. After the others it goes on
# with the next start of the same command.
ENDED_STATES = ("finished", "failed")


@dataclass(slots=True, kw_only=True)
class Follower:
    """Sends the trials of a sweep to a tracker. `say` is told, a line each, what goes wrong."""

    store: Store
    sweep: str
    tracker: Tracker
    marks: Marks
    service: str | None
    say: Callable[[str], None]
    queue: deque[Run] = field(default_factory=deque)
    is_over: bool = False
    n_points: int = 0
    refused: set[str] = field(default_factory=set)
    _changes: ChangedTrials = field(init=False)
    _problems: dict[str, str] = field(default_factory=dict)
    _pause: float = 0.0
    _next_try: float = 0.0
    _is_told: bool = False

    def __post_init__(self) -> None:
        self._changes = ChangedTrials(self.store, self.sweep, COLUMNS)

    def look(self) -> None:
        """Queues the trials with something new; what cannot be read now is looked at again."""
        try:
            record = read_owner(self.store, f"sweeps/{self.sweep}.json")
            runs = self._changed_runs()
        except StoreError as error:
            self._note_problem("", f"cannot look for what to mirror: {error}")
            return
        self.is_over = record is not None and record.get("state") in ENDED_STATES
        news = [run for run in runs if self._is_news(run)]
        ids = {run.trial_id for run in news}
        # A newer row has all that the one in the queue has.
        self.queue = deque([*(run for run in self.queue if run.trial_id not in ids), *news])

    def _changed_runs(self) -> list[Run]:
        """Runs of the planned trials whose files have changed since the last look."""
        runs = []
        for read in self._changes.read():
            if read.problem is not None:
                self._note_problem(read.file.path, f"cannot read {read.file.path}: {read.problem}")
            runs += [run_of(self.store, self.sweep, row, self.service) for row in read.rows]
        if self._changes.plan_problem is not None:
            self._note_problem("plan", self._changes.plan_problem)
        return runs

    def _is_news(self, run: Run) -> bool:
        if run.trial_id in self.refused:
            return False
        mark = self.marks.of(run.trial_id)
        return mark.in_doubt or run.iteration > mark.through or digest(run) != mark.tags

    def send(self) -> None:
        """Sends what is queued, unless a pause after a failure goes on. Raises StoreError."""
        while self.queue and time.monotonic() >= self._next_try:
            batch = list(islice(self.queue, BATCH_TRIALS))
            marks = {run.trial_id: self.marks.of(run.trial_id) for run in batch}
            self.marks.doubt(marks)
            try:
                for run in batch:
                    # While it is sent nobody knows; after that, this mark says so.
                    before = marks.pop(run.trial_id)
                    mark = self._send(run, before)
                    if mark is not None:
                        marks[run.trial_id] = mark
                    self.queue.popleft()
            except (Away, OSError) as error:
                self._wait(error)
            self.marks.note(marks)

    def _send(self, run: Run, mark: Mark) -> Mark | None:
        """Sends one trial; returns its new mark, None if the tracker refuses it."""
        points = run.points(mark.through)
        try:
            run_id = self.tracker.send(run, points, mark.run_id, in_doubt=mark.in_doubt)
        except Refused as error:
            self.refused.add(run.trial_id)
            self.say(f"{self.tracker.place} refuses {run.trial_id}: {error}")
            return None
        self.n_points += len(points)
        if self._is_told:
            self.say(f"{self.tracker.place} is back")
        self._pause, self._is_told = 0.0, False
        through = points[-1].iteration if points else mark.through
        return replace(mark, run_id=run_id, through=through, tags=digest(run), in_doubt=False)

    def _wait(self, error: Away | OSError) -> None:
        if not self._is_told:
            self._is_told = True
            place = self.tracker.place if isinstance(error, Away) else self.store.place
            self.say(f"{place} is away: {first_line(error)}; trying again")
        self._pause = min(max(FIRST_PAUSE_SECONDS, 2 * self._pause), LONGEST_PAUSE_SECONDS)
        self._next_try = time.monotonic() + self._pause

    def _note_problem(self, path: str, problem: str) -> None:
        """Says what cannot be read, once as long as it is the same."""
        if self._problems.get(path) != problem:
            self._problems[path] = problem
            self.say(problem)


def digest(run: Run) -> str:
    """A digest of what changes of a run beside its points: status, tags and scores at the end."""
    text = json.dumps([run.status, run.tags, run.end_scores], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
