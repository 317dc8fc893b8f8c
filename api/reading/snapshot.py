"""Snapshots of the store in memory, refreshed by a thread: requests never wait for it.

A pass lists `trials/`, `sweeps/` and `notes/` and reads again only what changed (size or time), is
so young that its time could hide a second change, or could not be read the last time. What is left
out is named with the reason.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs

from api.reading import cache
from api.reading.files import Driver, KnownFile, known_file, read_known
from sweep.store import index
from sweep.store.notes import FOLDER, Note, in_order
from sweep.store.read_files import READ_ERRORS, ReadFile
from sweep.store.store import Store, StoredFile
from sweep.store.tables import planned_row
from sweep.store.vocabulary import BESIDE_A_SWEEP, UNREADABLE, Row

log = logging.getLogger("api")

PERIOD = 1.0
# A pass takes at most this share of the time, however slow the store is; but after a long one,
# as the first, which reads everything, nobody waits much longer for the next.
BUSY_SHARE = 0.2
LONGEST_PAUSE = 20.0
FOLDERS = ("trials", "sweeps", FOLDER)
# Files that are worth a process of its own to read them.
MANY_FILES = 2000


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Snapshot:
    """The store's content at one moment. `id` follows from the content of its files alone.

    `records` has every known trial by id, in the order of `ids`: its row of `trials`, or for one
    that is only planned, or whose file cannot be read, the same columns, null but for its identity
    and its status. `skipped` says by path why a file or part of it is left out. `notes` are those
    on all trials and sweeps, oldest first.
    """

    id: str
    exists: bool
    ids: Sequence[str]
    records: Mapping[str, Row]
    plans: Mapping[str, Sequence[Row]]
    drivers: Mapping[str, Driver]
    skipped: Mapping[str, str]
    notes: Sequence[Note] = ()
    # What was worked out from it, which goes when it goes: api/reading/memo.py.
    results: dict[Any, Any] = field(default_factory=dict, repr=False)


# Beside a sweep's plan and heartbeat: requests to its driver, and what a search has found.
_NO_SWEEP = tuple(f"{ending}.json" for ending in BESIDE_A_SWEEP)


@dataclass(slots=True)
class Watcher:
    """Keeps `current` up to date from a thread of its own; `error` says why it cannot.

    `on_pass` is called with the snapshot after every pass, in that thread. `index_apart`, where
    MANY_FILES are in no index, is to make one before the first pass, or to give up on it once the
    event is set.
    """

    store: Store
    cache_folder: Path | None = None
    on_pass: Callable[[Snapshot, datetime], None] = lambda snapshot, now: None
    index_apart: Callable[[threading.Event], None] | None = None
    current: Snapshot | None = None
    error: str | None = None
    refreshed_at: datetime | None = None
    _indexed: dict[str, set[str]] = field(default_factory=dict)
    _files: dict[str, KnownFile] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _first: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self, patience: float) -> None:
        """Starts the thread and waits at most `patience` s for its first pass."""
        self._thread = threading.Thread(target=self._run, name="store watcher", daemon=True)
        self._thread.start()
        self._first.wait(patience)

    def stop(self) -> None:
        """Ends the thread after the pass it is in."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        with _logged("the index could not be written"):
            self._save_index(at_the_end=True)

    def load_index(self) -> None:
        """Takes over the rows of the store's index, or a private copy; a pass reads the rest."""
        for table in index.INDEXED:
            files = self._private_index(table) | index.read_index(self.store, table)
            self._indexed[table] = {file.digest for file in files.values()}
            for path, read in files.items():
                self._files[path] = known_file(read)

    def _private_index(self, table: str) -> dict[str, ReadFile]:
        if self.cache_folder is None:
            return {}
        path = cache.cache_path(self.cache_folder, self.store, table)
        try:
            return index.decoded(table, path.read_bytes())
        except FileNotFoundError:
            return {}
        except READ_ERRORS as error:
            log.info("%s is not used, everything is read anew: %s", path, error)
            return {}

    def _save_index(self, *, at_the_end: bool = False) -> None:
        """Writes what is new for the next start: into the store, else into the private folder."""
        for table in index.INDEXED:
            known_files = [
                f for p, f in self._files.items() if p.startswith(f"{table}/") and f.rows
            ]
            believable = {f.digest for f in known_files if f.settled and f.problem is None}
            new = len(believable - self._indexed.get(table, set()))
            if not (new if at_the_end else index.enough_new(new, len(known_files))):
                continue
            self._indexed[table] = believable  # also if it fails: not tried again each second
            content = index.encoded(
                table,
                [ReadFile(f.file, f.digest, f.rows, f.problem, f.settled) for f in known_files],
            )
            if not index.write(self.store, table, content):
                self._save_privately(table, content)

    def _save_privately(self, table: str, content: bytes) -> None:
        if self.cache_folder is None:
            return
        try:
            cache.save(cache.cache_path(self.cache_folder, self.store, table), content)
        except OSError as error:
            log.warning("nothing is kept for the next start: %s", error)
            self.cache_folder = None

    def refresh(self) -> None:
        """Makes one pass. If it cannot list the store, the snapshot stays and `error` says why."""
        try:
            changed = self._pass()
        except (OSError, pa.ArrowException) as error:
            message = f"cannot list {self.store.root}: {error}"
            if message != self.error:
                log.warning("%s", message)
            self.error = message
            return
        exists = _exists(self.store)
        if changed or self.current is None or self.current.exists != exists:
            self.current = _snapshot(exists, self._files, self.current)
        self.error = None
        self.refreshed_at = datetime.now(UTC)

    def _run(self) -> None:
        with _logged("the index could not be read"):
            self.load_index()
            if self.index_apart is not None and self._unread() >= MANY_FILES:
                self.index_apart(self._stop)
                self.load_index()
        while not self._stop.is_set():
            started = time.monotonic()
            try:
                self.refresh()
                if self.current is not None:
                    self.on_pass(self.current, datetime.now(UTC))
            except Exception as error:  # the thread must outlive any file that it reads
                log.exception("the store could not be read")
                self.error = f"cannot read {self.store.root}: {error}"
            self._first.set()
            seconds = time.monotonic() - started
            with _logged("the index could not be written"):
                self._save_index()
            self._stop.wait(min(max(PERIOD, seconds / BUSY_SHARE), LONGEST_PAUSE))

    def _unread(self) -> int:
        """The number of files that a pass would read; none if the store cannot be listed."""
        try:
            files, now = self._listed(), time.monotonic()
        except (OSError, pa.ArrowException):
            return 0  # the pass says so
        return sum(not self._is_fresh(path, file, now) for path, file in files.items())

    def _listed(self) -> dict[str, StoredFile]:
        files = {f.path: f for folder in FOLDERS for f in self.store.list(folder)}
        return {path: f for path, f in files.items() if not path.endswith(_NO_SWEEP)}

    def _pass(self) -> bool:
        files = self._listed()
        deleted = self._files.keys() - files.keys()
        for path in deleted:
            del self._files[path]
        changed = bool(deleted)
        now = time.monotonic()
        stale = [file for path, file in files.items() if not self._is_fresh(path, file, now)]
        for fresh in read_known(self.store, stale, self._files):
            path = fresh.file.path
            before = self._files.get(path)
            if fresh.problem and (before is None or before.problem != fresh.problem):
                log.warning("%s: %s", path, fresh.problem)
            self._files[path] = fresh
            changed |= (
                before is None or before.digest != fresh.digest or before.problem != fresh.problem
            )
        return changed

    def _is_fresh(self, path: str, file: StoredFile, now: float) -> bool:
        known = self._files.get(path)
        return known is not None and known.is_fresh(file, now)


@contextlib.contextmanager
def _logged(failure: str) -> Iterator[None]:
    """Notes any error: without an index the service is slower to start, and no more."""
    try:
        yield
    except Exception:
        log.exception("%s", failure)


def _exists(store: Store) -> bool:
    return store.fs.get_file_info(store.base).type == pafs.FileType.Directory


def _snapshot(exists: bool, files: Mapping[str, KnownFile], before: Snapshot | None) -> Snapshot:
    """Puts the rows of all files together; `before` lends the rows that did not change."""
    paths = sorted(files)
    listing = "\n".join(f"{path} {files[path].digest} {files[path].problem}" for path in paths)
    planned: dict[str, Row] = {}
    trials: dict[str, Row] = {}
    plans: dict[str, Sequence[Row]] = {}
    for path in paths:
        known = files[path]
        if path.startswith("trials/"):
            trials.update((row["trial_id"], row) for row in known.rows)
        elif path.startswith("sweeps/") and (
            known.rows or (known.problem is None and known.driver is None)
        ):
            plans[known.file.key] = known.rows
            planned |= known.planned
    records = planned | _unreadable(files, before.records if before else {}) | trials
    ids = sorted(records)
    return Snapshot(
        id=hashlib.sha256(f"{exists}\n{listing}".encode()).hexdigest()[:16],
        exists=exists,
        ids=ids,
        records={trial_id: records[trial_id] for trial_id in ids},
        plans=plans,
        drivers={f.file.key: f.driver for f in files.values() if f.driver is not None},
        skipped={path: problem for path in paths if (problem := files[path].problem) is not None},
        notes=in_order(known.note for known in files.values() if known.note is not None),
    )


def _unreadable(files: Mapping[str, KnownFile], before: Mapping[str, Row]) -> dict[str, Row]:
    """Rows of the planned trials whose files are there but cannot be read, with the reason as
    their traceback; those of `before` that did not change are the same objects."""
    problems = {
        known.file.key: known.problem
        for path, known in files.items()
        if known.problem is not None and path.startswith("trials/")
    }
    rows: dict[str, Row] = {}
    if not problems:
        return rows
    plan_rows = {
        row["trial_id"]: row
        for path, known in files.items()
        if path.startswith("sweeps/")
        for row in known.rows
    }
    for trial_id in problems.keys() & plan_rows.keys():
        old, problem = before.get(trial_id), problems[trial_id]
        if old is not None and (old["status"], old["traceback"]) == (UNREADABLE, problem):
            rows[trial_id] = old
        else:
            row = planned_row(plan_rows[trial_id], status=UNREADABLE, traceback=problem)
            rows[trial_id] = row
    return rows


class NotFound(LookupError):
    """Something is not in the store; the message says what."""


def trial_record(snapshot: Snapshot, trial_id: str) -> Row:
    """The trial's row. Raises NotFound."""
    if trial_id in snapshot.records:
        return snapshot.records[trial_id]
    if problem := snapshot.skipped.get(f"trials/{trial_id}.parquet"):
        raise NotFound(f"the file of trial {trial_id!r} cannot be read: {problem}")
    raise NotFound(f"there is no trial {trial_id!r} in the store")
