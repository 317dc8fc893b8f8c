"""The store as it is now, in memory: refreshed beside the requests, which never wait for it.

A pass lists `trials/` and `sweeps/` and reads again only what changed (size or time) or is so
young that its time could hide a second change. What cannot be read is skipped and named.
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
from api.reading.files import Driver, content_of, shared
from sweep.store.schemas import SCHEMAS
from sweep.store.store import Store, StoredFile, first_line
from sweep.store.tables import rows_by_key
from sweep.store.vocabulary import Row

log = logging.getLogger("api")

# File systems keep times as coarse as 2 s; a younger file may change again under the same time.
YOUNG_NS = 2_000_000_000
PERIOD = 1.0
# A pass takes at most this share of the time, however slow the store is; but after a long one,
# as the first, which reads everything, nobody waits much longer for the next.
BUSY_SHARE = 0.2
LONGEST_PAUSE = 20.0
# Files whose content is in memory at once while they are read.
TOGETHER = 512
# What was read is kept for the next start when this much of it is new, and at the end.
NEW_SHARE = 0.05
NEW_ROWS = 50

_NO_TRIAL = dict.fromkeys(SCHEMAS["trials"].names)
_IDENTITY = [name for name in SCHEMAS["sweeps"].names if name in _NO_TRIAL]


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """What the store held at one moment. `id` follows from the content of its files alone.

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
_NO_SWEEP = (".control.json", ".study.json")


@dataclass(slots=True)
class _Held:
    file: StoredFile
    settled: bool
    digest: str
    content: Any
    problem: str | None


@dataclass(slots=True)
class Watcher:
    """Keeps `current` up to date from a thread of its own; `error` says why it cannot.

    `told` hears of the snapshot after every pass, in that thread.
    """

    store: Store
    cache: Path | None = None
    told: Callable[[Snapshot, datetime], None] = lambda snapshot, now: None
    current: Snapshot | None = None
    error: str | None = None
    refreshed_at: datetime | None = None
    _kept: dict[str, StoredFile] = field(default_factory=dict)
    _held: dict[str, _Held] = field(default_factory=dict)
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
        self._keep(at_least=1)

    def recall(self) -> None:
        """Takes over what an earlier service kept of this store; a pass then reads the rest."""
        if self.cache is None:
            return
        try:
            for one in cache.load(self.cache):
                content = shared(one.row)
                self._held[one.file.path] = _Held(one.file, True, one.digest, content, None)
                self._kept[one.file.path] = one.file
        except FileNotFoundError:
            return
        except (OSError, ValueError, pa.ArrowException) as error:
            log.info("%s is not used, everything is read anew: %s", self.cache, error)

    def _keep(self, at_least: int) -> None:
        settled = [
            cache.Kept(held.file, held.digest, held.content)
            for path, held in self._held.items()
            if path.startswith("trials/") and held.settled and held.problem is None
        ]
        new = sum(self._kept.get(one.file.path) != one.file for one in settled)
        if self.cache is None or new < at_least:
            return
        try:
            cache.save(self.cache, settled)
        except OSError as error:
            log.warning("nothing is kept for the next start: %s", error)
            self.cache = None
        self._kept = {one.file.path: one.file for one in settled}

    def refresh(self) -> None:
        """One pass. If the store cannot be listed, the snapshot stays and `error` says why."""
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
            self.current = _snapshot(exists, self._held.values())
        self.error = None
        self.refreshed_at = datetime.now(UTC)

    def _run(self) -> None:
        self.recall()
        while not self._stop.is_set():
            started = time.monotonic()
            try:
                self.refresh()
                if self.current is not None:
                    self.told(self.current, datetime.now(UTC))
            except Exception as error:  # the thread must outlive any file that it is shown
                log.exception("the store could not be read")
                self.error = f"cannot read {self.store.root}: {error}"
            self._first.set()
            took = time.monotonic() - started
            self._keep(at_least=max(NEW_ROWS, int(NEW_SHARE * len(self._held))))
            self._stop.wait(min(max(PERIOD, took / BUSY_SHARE), LONGEST_PAUSE))

    def _pass(self) -> bool:
        files = {f.path: f for folder in ("trials", "sweeps") for f in self.store.list(folder)}
        files = {path: f for path, f in files.items() if not path.endswith(_NO_SWEEP)}
        gone = self._held.keys() - files.keys()
        for path in gone:
            del self._held[path]
        changed = bool(gone)
        stale = [file for file in files.values() if not self._is_fresh(file)]
        for start in range(0, len(stale), TOGETHER):
            for fresh in _read_together(self.store, stale[start : start + TOGETHER]):
                path = fresh.file.path
                held = self._held.get(path)
                if fresh.problem and (held is None or held.problem != fresh.problem):
                    log.warning("skipped %s: %s", path, fresh.problem)
                self._held[path] = fresh
                changed |= held is None or held.digest != fresh.digest
        return changed

    def _is_fresh(self, file: StoredFile) -> bool:
        held = self._held.get(file.path)
        return held is not None and held.settled and held.file == file


def _read_together(store: Store, files: Iterable[StoredFile]) -> Sequence[_Held]:
    """What each file holds. The rows of trials are made from their tables at once."""
    read = {file.path: _read(store, file) for file in files}
    tables = {path: one.content for path, one in read.items() if isinstance(one.content, pa.Table)}
    rows, unreadable = rows_by_key(tables)
    for path, row in rows.items():
        read[path].content = shared(row)
    for path, error in unreadable.items():
        read[path].content, read[path].problem = None, first_line(error)
    return list(read.values())


def _read(store: Store, file: StoredFile) -> _Held:
    settled = time.time_ns() - file.mtime_ns > YOUNG_NS
    content, problem, digest = None, None, "unread"
    try:
        raw = store.read(file.path) or b""
        digest = hashlib.sha256(raw).hexdigest()
        content = content_of(file, raw)
    except (OSError, ValueError, NotImplementedError, pa.ArrowException) as error:
        problem = first_line(error)
    return _Held(file, settled, digest, content, problem)


def _exists(store: Store) -> bool:
    return store.fs.get_file_info(store.base).type == pafs.FileType.Directory


def _snapshot(exists: bool, held: Iterable[_Held]) -> Snapshot:
    files = sorted(held, key=lambda one: one.file.path)
    listing = "\n".join(f"{one.file.path} {one.digest}" for one in files)
    good = [one for one in files if one.problem is None]
    trials = {one.file.key: one.content for one in good if one.file.path.startswith("trials/")}
    plans = {one.file.key: one.content for one in good if isinstance(one.content, list)}
    planned = {
        row["trial_id"]: _NO_TRIAL | {k: row[k] for k in _IDENTITY} | {"status": "planned"}
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
        drivers={one.file.key: one.content for one in good if isinstance(one.content, Driver)},
        skipped={one.file.path: one.problem for one in files if one.problem is not None},
    )


class NotFound(LookupError):
    """There is no such thing in the store; the message says what is missing."""


def trial_record(snapshot: Snapshot, trial_id: str) -> Row:
    """Raises NotFound."""
    if trial_id not in snapshot.records:
        raise NotFound(f"there is no trial {trial_id!r} in the store")
    return snapshot.records[trial_id]
