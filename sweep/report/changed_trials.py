"""Trials of a sweep that have changed in the store, for what follows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sweep.store.read_files import READ_ERRORS, ReadFile, read_files
from sweep.store.store import Store, StoredFile
from sweep.store.tables import first_line


@dataclass(slots=True)
class ChangedTrials:
    """Looks for planned trials whose files have changed since they were last read.

    `planned` has the ids of the plan, as far as it was read, `plan_problem` why it could not be.
    """

    store: Store
    sweep: str
    columns: Sequence[str]
    planned: frozenset[str] = frozenset()
    plan_problem: str | None = None
    _files: dict[str, StoredFile] = field(default_factory=dict)
    _plan: StoredFile | None = None

    def read(self) -> list[ReadFile]:
        """Reads the files that have changed, with `columns`. Raises StoreError.

        One that is so young that it may change under its time is read again the next time, as is
        one that could not be got; one whose content cannot be used is not.
        """
        self.read_plan()
        changed = [
            file
            for file in self.store.list("trials")
            if file.key in self.planned and self._files.get(file.key) != file
        ]
        reads = list(read_files(self.store, "trials", changed, self.columns))
        for read in reads:
            if read.settled and (read.problem is None or read.digest):
                self._files[read.file.key] = read.file
        return reads

    def read_plan(self) -> None:
        """Reads the plan if it has changed. Raises StoreError."""
        path = f"sweeps/{self.sweep}.parquet"
        for file in self.store.list("sweeps"):
            if file.path != path or file == self._plan:
                continue
            try:
                rows = self.store.read_rows("sweeps", self.sweep)
            except READ_ERRORS as error:
                self.plan_problem = f"cannot read {path}: {first_line(error)}"
                return
            self.planned = frozenset(row["trial_id"] for row in rows)
            self._plan = file if file.is_settled() else None
