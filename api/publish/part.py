"""The part of a store that belongs to one sweep, as a store of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sweep.store.retry import READER_PATIENCE_SECONDS
from sweep.store.store import Store, StoredFile
from sweep.store.vocabulary import Row
from trainer.config.lookup import UsageError, lookup

HOW_TO_MAKE_A_SWEEP = "`make demo` makes one, and --results says where to look"


class SweepPart(Store):
    """A store of which only one sweep's plan, driver and trials can be listed.

    A service over it answers exactly as one over a store in which nothing else was ever run. The
    trials that the sweep's own branched off belong to it.
    """

    def __init__(self, root: str | Path, sweep: str) -> None:
        """Raises UsageError for a sweep that is not in the store, StoreError if it cannot be read.

        Nothing is created.
        """
        super().__init__(root, READER_PATIENCE_SECONDS)
        self.sweep = sweep
        self.trial_ids: frozenset[str] = frozenset()
        self._check_sweep()
        self.trial_ids = self._with_ancestors(self.read_rows("sweeps", sweep))
        if not self.trial_ids:
            raise UsageError(f"sweep {sweep!r} in {self.place} has no trials: nothing to publish")

    def _check_sweep(self) -> None:
        names = {f.key: f for f in super().list("sweeps") if f.path.endswith(".parquet")}
        if not names:
            raise UsageError(f"no sweep in {self.place}: {HOW_TO_MAKE_A_SWEEP}")
        lookup("sweep", names, self.sweep)

    def _with_ancestors(self, plan: Sequence[Row]) -> frozenset[str]:
        """Trial ids of the plan, of the trials that they branched off, and so on."""
        parents = {row["trial_id"]: row["parent"] for row in plan}
        while missing := {parent for parent in parents.values() if parent} - parents.keys():
            for trial_id in missing:
                rows = self.read_rows("trials", trial_id)
                parents[trial_id] = rows[0]["parent"] if rows else None
        return frozenset(parents)

    def list(self, folder: str) -> list[StoredFile]:
        """The files of the folder that are of the sweep, by name."""
        files = super().list(folder)
        if folder == "sweeps":
            own = [f"sweeps/{self.sweep}.parquet", f"sweeps/{self.sweep}.json"]
            return [file for file in files if file.path in own]
        if "/" in folder:
            return files
        return [file for file in files if file.key in self.trial_ids]
