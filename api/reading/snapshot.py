"""Snapshots of the store in memory, refreshed by a thread: requests never wait for it.

A pass lists `trials/` and `sweeps/` and reads again only what changed (size or time) or is so
young that its time could hide a second change. A file that cannot be read is skipped and named.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs

from api.reading import cache
from api.reading.files import Driver, content_of, with_interned_texts
from sweep.store.store import Store, StoredFile, first_line
from sweep.store.tables import planned_row, rows_by_key
from sweep.store.vocabulary import BESIDE_A_SWEEP, Row

log = logging.getLogger("api")

# File systems keep times as coarse as 2 s; a younger file may change again under the same time.
YOUNG_NS = 2_000_000_000
PERIOD = 1.0
# A pass takes at most this share of the time, however slow the store is; but after a long one,
# as the first, which reads everything, nobody waits much longer for the next.
BUSY_SHARE = 0.2
LONGEST_PAUSE = 20.0
# Files whose content is in memory at once while they are read.
BATCH_FILES = 512
# The cache for the next start is written when this much of it is new, and at the end.
NEW_SHARE = 0.05
NEW_ROWS = 50


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The store's content at one moment. `id` follows from the content of its files alone.

    `records` has every known trial by id, in the order of `ids`: its row of `trials`, or for one
    that is only planned the same columns, null but for its identity and its status.
    """

    id: str
    exists: bool
    ids: Sequence[str]
    records: Mapping[str, Row]
    plans: Mapping[str, Sequence[Row]]
    drivers: Mapping[str, Driver]
    skipped: Mapping[str, str]


# Beside a sweep's plan and heartbeat: requests to its driver, and what a search has found.
_NO_SWEEP = tuple(f"{ending}.json" for ending in BESIDE_A_SWEEP)


@dataclass(slots=True)
class _ReadFile:
    file: StoredFile
    settled: bool
    digest: str
    content: Any
    problem: str | None


@dataclass(slots=True)
class Watcher:
    """Keeps `current` up to date from a thread of its own; `error` says why it cannot.

    `on_pass` is called with the snapshot after every pass, in that thread.
    """

    store: Store
    cache: Path | None = None
    on_pass: Callable[[Snapshot, datetime], None] = lambda snapshot, now: None
    current: Snapshot | None = None
    error: str | None = None
    refreshed_at: datetime | None = None
    _cached: dict[str, StoredFile] = field(default_factory=dict)
    _files: dict[str, _ReadFile] = field(default_factory=dict)
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
        self._save_cache(at_least=1)

    def load_cache(self) -> None:
        """Takes over the rows that an earlier service cached; a pass then reads the rest."""
        if self.cache is None:
            return
        try:
            for cached in cache.load(self.cache):
                content = with_interned_texts(cached.row)
                self._files[cached.file.path] = _ReadFile(
                    cached.file, True, cached.digest, content, None
                )
                self._cached[cached.file.path] = cached.file
        except FileNotFoundError:
            return
        except (OSError, ValueError, pa.ArrowException) as error:
            log.info("%s is not used, everything is read anew: %s", self.cache, error)

    def _save_cache(self, at_least: int) -> None:
        settled = [
            cache.CachedRow(file.file, file.digest, file.content)
            for path, file in self._files.items()
            if path.startswith("trials/") and file.settled and file.problem is None
        ]
        new = sum(self._cached.get(row.file.path) != row.file for row in settled)
        if self.cache is None or new < at_least:
            return
        try:
            cache.save(self.cache, settled)
        except OSError as error:
            log.warning("nothing is kept for the next start: %s", error)
            self.cache = None
        self._cached = {row.file.path: row.file for row in settled}

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
            self.current = _snapshot(exists, self._files.values())
        self.error = None
        self.refreshed_at = datetime.now(UTC)

    def _run(self) -> None:
        self.load_cache()
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
            self._save_cache(at_least=max(NEW_ROWS, int(NEW_SHARE * len(self._files))))
            self._stop.wait(min(max(PERIOD, seconds / BUSY_SHARE), LONGEST_PAUSE))

    def _pass(self) -> bool:
        files = {f.path: f for folder in ("trials", "sweeps") for f in self.store.list(folder)}
        files = {path: f for path, f in files.items() if not path.endswith(_NO_SWEEP)}
        deleted = self._files.keys() - files.keys()
        for path in deleted:
            del self._files[path]
        changed = bool(deleted)
        stale = [file for file in files.values() if not self._is_fresh(file)]
        for start in range(0, len(stale), BATCH_FILES):
            for fresh in _read_together(self.store, stale[start : start + BATCH_FILES]):
                path = fresh.file.path
                before = self._files.get(path)
                if fresh.problem and (before is None or before.problem != fresh.problem):
                    log.warning("skipped %s: %s", path, fresh.problem)
                self._files[path] = fresh
                changed |= before is None or before.digest != fresh.digest
        return changed

    def _is_fresh(self, file: StoredFile) -> bool:
        before = self._files.get(file.path)
        return before is not None and before.settled and before.file == file


def _read_together(store: Store, files: Iterable[StoredFile]) -> Sequence[_ReadFile]:
    """Reads and parses each file. The rows of trials are made from their tables at once."""
    by_path = {file.path: _read(store, file) for file in files}
    tables = {
        path: file.content for path, file in by_path.items() if isinstance(file.content, pa.Table)
    }
    rows, unreadable = rows_by_key(tables)
    for path, row in rows.items():
        by_path[path].content = with_interned_texts(row)
    for path, error in unreadable.items():
        by_path[path].content, by_path[path].problem = None, first_line(error)
    return list(by_path.values())


def _read(store: Store, file: StoredFile) -> _ReadFile:
    settled = time.time_ns() - file.mtime_ns > YOUNG_NS
    content, problem, digest = None, None, "unread"
    try:
        raw = store.read(file.path) or b""
        digest = hashlib.sha256(raw).hexdigest()
        content = content_of(file, raw)
    except (OSError, ValueError, NotImplementedError, pa.ArrowException) as error:
        problem = first_line(error)
    return _ReadFile(file, settled, digest, content, problem)


def _exists(store: Store) -> bool:
    return store.fs.get_file_info(store.base).type == pafs.FileType.Directory


def _snapshot(exists: bool, read_files: Iterable[_ReadFile]) -> Snapshot:
    files = sorted(read_files, key=lambda read: read.file.path)
    listing = "\n".join(f"{read.file.path} {read.digest}" for read in files)
    good = [read for read in files if read.problem is None]
    trials = {read.file.key: read.content for read in good if read.file.path.startswith("trials/")}
    plans = {read.file.key: read.content for read in good if isinstance(read.content, list)}
    planned = {
        row["trial_id"]: planned_row(row)
        for plan in plans.values()
        for row in plan
        if row["trial_id"] not in trials
    }
    records = planned | trials
    ids = sorted(records)
    return Snapshot(
        id=hashlib.sha256(f"{exists}\n{listing}".encode()).hexdigest()[:16],
        exists=exists,
        ids=ids,
        records={trial_id: records[trial_id] for trial_id in ids},
        plans=plans,
        drivers={read.file.key: read.content for read in good if isinstance(read.content, Driver)},
        skipped={read.file.path: read.problem for read in files if read.problem is not None},
    )


class NotFound(LookupError):
    """Something is not in the store; the message says what."""


def trial_record(snapshot: Snapshot, trial_id: str) -> Row:
    """The trial's row. Raises NotFound."""
    if trial_id not in snapshot.records:
        raise NotFound(f"there is no trial {trial_id!r} in the store")
    return snapshot.records[trial_id]
