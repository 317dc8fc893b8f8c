"""Ownership of files in the store: one writer at a time. The store and the standard library only.

The owner stands in a small JSON file: `attempt` (the id of the start that owns), `host`,
`machine`, `pid`, `pid_started` (so that a reused pid is not taken for the owner), `heartbeat`
(ISO 8601, UTC).

- A start that finds another live owner waits. An owner is dead, and ownership is taken over, when
  its process is gone, which is seen at once on the same machine (sweep/store/processes.py), or
  when its record has not changed for STALE_SECONDS by the watch of the start that waits
  (sweep/store/watch.py). No clock of another machine decides; readers, who see the record once,
  have nothing but its time.
- An owner checks the record before it replaces a file, and ends when it was superseded.

What remains. On a local or shared POSIX file system, records change under a file lock, so two
starts never both own; but an owner that is suspended between its check and its replace for longer
than STALE_SECONDS can still replace one file after it was superseded. In a bucket with ordered
puts (sweep/store/buckets.py) the record and every file are replaced only as the version that the
writer knows: two starts never both own, and a put that is applied late, or by one who was
superseded, is refused. A removal is not ordered there, so a record is released, not removed.

Without a lock and without ordered puts, two starts that take ownership within SETTLE_SECONDS of
each other both write the record, the later one wins, and the other one sees that when it reads the
record again, unless its own write is delayed for longer than that. A late put can replace its
successor there: rows are looked at again when an ownership ends (sweep/store/late_puts.py).
Always a file is replaced whole and holds rows of the same trial.

A store that is away for longer than STALE_SECONDS leaves every record as it was. Nobody can take
ownership meanwhile, and who waited for it gives the owner RECOVERY_SECONDS to beat again. A start
that was handed what another one saw before the outage may take ownership over in that time: the
owner, whose every try at a write begins with a check, then ends and writes nothing more.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sweep.store.late_puts import WrittenRows
from sweep.store.processes import is_gone, own_record
from sweep.store.retry import recovered_within
from sweep.store.store import Store
from sweep.store.tables import columns, file_of, table_path
from sweep.store.watch import forget, seconds_unchanged

BEAT_SECONDS = 10.0
STALE_SECONDS = 60.0
SETTLE_SECONDS = 0.5
RECOVERY_SECONDS = 2 * BEAT_SECONDS
RUNNING = "running"
RELEASED = "released"
# A record that is released is shorter, every other one longer.
RELEASED_BYTES = 64


class Superseded(RuntimeError):
    """Ownership was taken over by another start; this one must write nothing more."""


class Ownership:
    """The right to write some files: its heartbeat goes on in a thread until released or lost."""

    def __init__(self, store: Store, path: str, record: dict[str, Any], every: float) -> None:
        self.store = store
        self.path = path
        self.attempt: str = record["attempt"]
        self._record = record
        self._telling = threading.Lock()
        self._rows = WrittenRows()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._keep_beating, args=(every,), daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raises Superseded unless this start is still the owner."""
        self._check(self.store)

    def write(self, path: str, content: bytes) -> None:
        """Replaces a file that is owned. Raises Superseded."""
        self._as_owner(lambda store: store.write(path, content, lambda: self._check(store)))

    def write_rows(self, table: str, key: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Replaces rows that are owned. Raises Superseded."""
        path, content = table_path(table, key), file_of(table, columns(table, rows))
        start = time.monotonic()
        self.write(path, content)
        if not self.store.is_local and self.store.objects is None:
            self._rows.note(path, content, time.monotonic() - start)

    def delete(self, path: str) -> None:
        """Removes a file that is owned. Raises Superseded."""
        self._as_owner(lambda store: store.delete(path))

    def tell(self, **details: Any) -> None:
        """Adds to the record; written with the next heartbeat."""
        with self._telling:
            self._record = {**self._record, **details}

    def release(self, state: str | None = None, *, wait: bool = True) -> None:
        """Ends the ownership if not lost: removes its record or gives it a last `state`.

        In a bucket with ordered puts, where no removal is, it leaves a record that is released.
        Without `wait` it tries once: what a process that is gone leaves behind owns nothing.
        """
        if wait:
            with contextlib.suppress(Superseded):
                self._rows.restore(self.store.read, self.write)
        self._stopped.set()
        self._thread.join()
        last = None
        if state is not None:
            self.tell(state=state)
        elif self.store.objects is None:
            last = b""
        else:
            last = json.dumps({"state": RELEASED, "attempt": self.attempt}).encode()
        stop = None if wait else self._stopped
        with contextlib.suppress(Superseded, *(() if wait else (OSError,))):
            self._update(last, stop)

    def _check(self, store: Store) -> None:
        self._check_record(store.read_at_once(self.path))

    def _check_record(self, content: bytes | None) -> None:
        if (_parsed(content) or {}).get("attempt") != self.attempt:
            raise Superseded(f"{self.path} was taken over")

    def _as_owner(self, action: Callable[[Store], None]) -> None:
        """Acts as the owner. Whatever has to be tried again is checked again before."""
        store = self.store.hasty()

        def checked_action() -> None:
            self._check(store)
            action(store)

        self.store.patiently(checked_action)

    def _update(self, content: bytes | None = None, stop: threading.Event | None = None) -> None:
        """Replaces the own record by `content`, else by a heartbeat; never waits under a lock."""
        store = self.store.hasty()

        def change(stored: bytes | None) -> bytes:
            self._check_record(stored)
            return _beat(self._record) if content is None else content

        self.store.patiently(lambda: store.update(self.path, change), stop)

    def _keep_beating(self, every: float) -> None:
        while not self._stopped.wait(every):
            try:
                self._update(stop=self._stopped)
            except Superseded:
                return
            except OSError:
                # The owner's next write raises what the store has against it.
                continue


def acquire(
    store: Store,
    path: str,
    *,
    every: float = BEAT_SECONDS,
    wait: bool = True,
    waiting: Callable[[Mapping[str, Any]], None] | None = None,
    **details: Any,
) -> Ownership | None:
    """Returns ownership by the record at `path`, once its owner is gone or dead.

    `details` stand in the record beside the owner. While another owner is live, `waiting` is
    called once with that record, and the call waits; with `wait` false it returns None instead.
    What was seen of the owner meanwhile is kept for the next call (sweep/store/watch.py).
    """
    record = {**details, **own_record(), "attempt": uuid.uuid4().hex[:12]}
    hasty = store.hasty()
    while True:
        owner = store.patiently(lambda: _take(hasty, path, record))
        if owner is None and _settled(store, path, record["attempt"]):
            forget(store, path)
            return Ownership(store, path, record, every)
        if not wait:
            return None
        if waiting is not None and owner is not None:
            waiting(owner)
            waiting = None
        time.sleep(1)


def _take(store: Store, path: str, record: dict[str, Any]) -> dict[str, Any] | None:
    """Writes `record` as the owner; returns the record of another live owner if there is one."""
    live_owner = None

    def change(content: bytes | None) -> bytes | None:
        nonlocal live_owner
        owner = _parsed(content)
        # Its own record is there if the answer to an earlier try was lost.
        if owner is not None and owner.get("attempt") != record["attempt"]:
            live_owner = None if _is_dead(store, path, owner) else owner
        else:
            live_owner = None
        return _beat(record) if live_owner is None else None

    store.update(path, change)
    return live_owner


def _beat(record: dict[str, Any]) -> bytes:
    """The record's bytes, with a heartbeat of now."""
    record["heartbeat"] = datetime.now(UTC).isoformat()
    return json.dumps(record).encode()


def _is_dead(store: Store, path: str, owner: Mapping[str, Any]) -> bool:
    """Whether an owner that was just read can write no more, or has not for STALE_SECONDS."""
    if not may_live(owner):
        return True
    silence = seconds_unchanged(store, path, owner)
    return silence > STALE_SECONDS and not recovered_within(store.place, RECOVERY_SECONDS)


def _settled(store: Store, path: str, attempt: str) -> bool:
    """Whether the record just written stands. Where updates are exclusive it does."""
    if store.has_exclusive_updates(path):
        return True
    time.sleep(SETTLE_SECONDS)
    return (read_owner(store, path) or {}).get("attempt") == attempt


def read_owner(store: Store, path: str) -> dict[str, Any] | None:
    """Reads the record of an owner; None if there is none, it is released, or no record."""
    record = _parsed(store.read(path))
    return None if record is None or record.get("state") == RELEASED else record


def _parsed(content: bytes | None) -> dict[str, Any] | None:
    try:
        record = json.loads(content) if content else None
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def is_live(record: Mapping[str, Any]) -> bool:
    """Tells whether the owner can still write, by the time of its heartbeat: for readers only."""
    if not may_live(record):
        return False
    return not is_silent(datetime.fromisoformat(record["heartbeat"]), datetime.now(UTC))


def may_live(record: Mapping[str, Any]) -> bool:
    """Tells whether nothing but silence could speak against the owner."""
    return record.get("state", RUNNING) == RUNNING and not is_gone(record)


def is_silent(heartbeat: datetime, now: datetime) -> bool:
    """Tells whether what recurs every few seconds is overdue: the last time was `heartbeat`."""
    return now - heartbeat > timedelta(seconds=STALE_SECONDS)
