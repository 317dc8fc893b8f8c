"""Versions of the files of a table: size and time of each, by one listing for many trials.

A version is a key and no more: a file may be newer than its version, for it is read later. What
was read under a version is never older than it, and the next snapshot's listing has the new one.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from api.reading.memo import memoise_by_snapshot
from api.reading.on_demand import ENDING, stamps, trial_id_of
from api.reading.snapshot import Snapshot
from sweep.store.store import Store, StoredFile

# Files that are asked for by themselves, which is current; of more the listing is asked. Of ten
# thousand files a folder's listing takes as long as asking for so many.
FEW_FILES, FEW_OF_FOLDER = 16, 1000


@dataclass(frozen=True, slots=True, eq=False)
class Listing:
    """Versions by trial of a table's files, as far as there are any, and a digest of them all."""

    versions: Mapping[str, str]
    digest: str

    def version(self, trial_id: str) -> str:
        """Size and time of the trial's file, empty if there is none."""
        return self.versions.get(trial_id, "")


def listing(store: Store, snapshot: Snapshot, table: str) -> Listing:
    """The table's files: the store is asked once for each snapshot, whoever asks.

    Raises StoreError if the store cannot be listed.
    """
    return _listed(snapshot, store, table)


@memoise_by_snapshot(size=3)
def _listed(snapshot: Snapshot, store: Store, table: str) -> Listing:
    # The id is the same text as in the rows: in memory once.
    by_trial = {
        sys.intern(trial_id_of(file.path)): _version(file, snapshot)
        for file in store.list(table)
        if file.path.endswith(ENDING)
    }
    lines = "\n".join(f"{trial_id} {version}" for trial_id, version in by_trial.items())
    return Listing(by_trial, hashlib.sha256(lines.encode()).hexdigest()[:16])


def _version(file: StoredFile, snapshot: Snapshot) -> str:
    # A young file may change again under the same size and time: its version ends with the
    # snapshot.
    young = "" if file.is_settled() else f"-{snapshot.id}"
    return f"{file.size}-{file.mtime_ns}{young}"


def versions(store: Store, snapshot: Snapshot, paths: Iterable[str]) -> dict[str, str]:
    """The version of each of these files of tables, by path: of many by the snapshot's listing.

    Raises StoreError if the store cannot be listed, OSError if a file cannot be asked for.
    """
    asked_paths = list(paths)
    if len(asked_paths) <= (FEW_OF_FOLDER if store.is_local else FEW_FILES):
        return dict(zip(asked_paths, stamps(store, asked_paths), strict=True))
    tables = {path: path.partition("/")[0] for path in asked_paths}
    listed = {table: listing(store, snapshot, table) for table in set(tables.values())}
    return {path: listed[table].version(trial_id_of(path)) for path, table in tables.items()}
