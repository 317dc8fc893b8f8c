"""Sharing of one sweep by several starts of its command, such as the tasks of a Slurm array.

A trial's own record keeps the starts apart (sweep/store/trial_ownership.py). Here is the rest: in
which order each start looks for its next trial, and which of them writes the sweep's record, which
has one writer.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from sweep.run.slurm_variables import number
from sweep.store.ownership import Ownership, Superseded
from trainer.config.own_trial import AnyTrial


def own_first(trials: Sequence[AnyTrial], task: int, tasks: int) -> list[AnyTrial]:
    """Sorts the trials for the start number `task` of `tasks`: every `tasks`-th from its own on,
    then those that the next start begins with, and so on.

    Starts that begin or end a trial at the same moment do not meet at the next one, and each goes
    on with the longest that is left.
    """
    places = sorted(range(len(trials)), key=lambda place: ((place - task) % tasks, place))
    return [trials[place] for place in places]


def task_and_tasks(environment: Mapping[str, str] = os.environ) -> tuple[int, int]:
    """Number of this start, from 0, and of all: as a task of a Slurm array, else of `srun`."""
    told = partial(number, environment=environment)
    tasks = told("SLURM_ARRAY_TASK_COUNT")
    if tasks:
        first, step = told("SLURM_ARRAY_TASK_MIN"), told("SLURM_ARRAY_TASK_STEP", 1)
        place = (told("SLURM_ARRAY_TASK_ID", first) - first) // max(1, step)
    else:
        tasks, place = max(1, told("SLURM_STEP_NUM_TASKS", 1)), told("SLURM_PROCID")
    return place % tasks, tasks


class SharedRecord:
    """The record of a sweep that several starts run: one of them writes it, and another goes on
    with it when that one ends. Takes the place of the Ownership that a start alone has.

    `acquire` returns the ownership of the record if nobody has it.
    """

    def __init__(self, acquire: Callable[[], Ownership | None]) -> None:
        self._acquire = acquire
        self._lock = threading.Lock()
        self._details: dict[str, Any] = {}
        self._rows: tuple[str, str, Sequence[Mapping[str, Any]]] | None = None
        self._is_left = False
        self.ownership = acquire()

    def check(self) -> None:
        """Takes the record over if nobody writes it now."""
        if self.ownership is not None:
            try:
                self.ownership.check()
                return
            except Superseded:
                self.ownership = None
        self._take_over()

    def _take_over(self) -> None:
        ownership = self._acquire()
        if ownership is None:
            return
        with self._lock:
            ownership.tell(**self._details)
            self.ownership = ownership
        if self._rows is not None:
            ownership.write_rows(*self._rows)

    def tell(self, **details: Any) -> None:
        """Adds to the record, now or when this start writes it."""
        with self._lock:
            self._details |= details
            if self.ownership is not None:
                self.ownership.tell(**details)

    def write_rows(self, table: str, key: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Writes the sweep's plan, now or when this start writes the record."""
        self._rows = (table, key, rows)
        if self.ownership is not None:
            self.ownership.write_rows(table, key, rows)

    def leave(self) -> None:
        """Says that other starts still train: the record is for one of them to go on with."""
        self._is_left = True

    def release(self, state: str | None = None, *, wait: bool = True) -> None:
        """Ends the record with a last `state`, unless another start writes it or shall."""
        if self._is_left:
            state = None
        elif self.ownership is None and state is not None and wait:
            self._take_over()  # of a start that ended since the last look
        if self.ownership is not None:
            self.ownership.release(state, wait=wait)
