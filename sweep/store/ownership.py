"""Ownership of files in the store: one writer at a time. The store and the standard library only.

The owner stands in a small JSON file: `attempt` (the id of the start that owns), `host`, `pid`,
`pid_started` (so that a reused pid is not taken for the owner), `heartbeat` (ISO 8601, UTC).

- A start that finds another live owner waits. An owner is dead, and ownership is taken over, when
  its process is gone (seen at once on the same host) or its heartbeat is older than STALE_SECONDS.
- An owner checks the record before it replaces a file, and ends when it was superseded.

What remains. On a local or shared POSIX file system, records change under a file lock, so two
starts never both own; but an owner that is suspended between its check and its replace for longer
than STALE_SECONDS can still replace one file after it was superseded. Object stores have no lock:
two starts that take ownership within SETTLE_SECONDS of each other both write the record, the later
put wins, and the other one sees that when it reads the record again, unless its own put is delayed
for longer than that. Either way a file is replaced whole and holds rows of the same trial.

A store that is away for longer than STALE_SECONDS makes every heartbeat old. Nobody can take
ownership meanwhile, and who waited for it gives the owner RECOVERY_SECONDS to beat again. A start
that saw nothing of the outage may take ownership over in that time: the owner, whose every try at
a write begins with a check, then ends and writes nothing more.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sweep.store.retry import recovered_within
from sweep.store.store import Store

BEAT_SECONDS = 10.0
STALE_SECONDS = 60.0
SETTLE_SECONDS = 0.5
RECOVERY_SECONDS = 2 * BEAT_SECONDS
RUNNING = "running"


class Superseded(RuntimeError):
    """Ownership was taken over by another start; this one must write nothing more."""


class Ownership:
    """The right to write some files: its heartbeat goes on in a thread until released or lost."""

    def __init__(self, store: Store, path: str, record: dict[str, Any], every: float) -> None:
        self.store = store
        self.path = path
        self.attempt: str = record["attempt"]
        self._record = record
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, args=(every,), daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raises Superseded unless this start is still the owner."""
        self._check(self.store)

    def write(self, path: str, content: bytes) -> None:
        """Replaces a file that is owned. Raises Superseded."""
        self._as_owner(lambda store: store.write(path, content))

    def write_rows(self, table: str, key: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Replaces rows that are owned. Raises Superseded."""
        self._as_owner(lambda store: store.write_rows(table, key, rows))

    def delete(self, path: str) -> None:
        """Removes a file that is owned. Raises Superseded."""
        self._as_owner(lambda store: store.delete(path))

    def tell(self, **details: Any) -> None:
        """Adds to the record; written with the next heartbeat."""
        self._record = {**self._record, **details}

    def release(self, state: str | None = None) -> None:
        """Ends the ownership if not lost: removes its record or gives it a last `state`."""
        self._stopped.set()
        self._thread.join()
        with contextlib.suppress(Superseded):
            if state is None:
                self._on_record(lambda store: store.delete(self.path))
            else:
                self.tell(state=state)
                self._on_record(self._write)

    def _check(self, store: Store) -> None:
        if (read_owner(store, self.path) or {}).get("attempt") != self.attempt:
            raise Superseded(f"{self.path} was taken over")

    def _as_owner(self, action: Callable[[Store], None]) -> None:
        """Acts as the owner. Whatever has to be tried again is checked again before."""
        store = self.store.hasty()

        def checked_action() -> None:
            self._check(store)
            action(store)

        self.store.patiently(checked_action)

    def _on_record(self, action: Callable[[Store], None]) -> None:
        """Acts on the record itself, under the lock; never waits while it holds that."""
        store = self.store.hasty()

        def checked_action() -> None:
            with locked(store, self.path):
                self._check(store)
                action(store)

        self.store.patiently(checked_action)

    def _write(self, store: Store) -> None:
        self._record["heartbeat"] = datetime.now(UTC).isoformat()
        store.write(self.path, json.dumps(self._record).encode())

    def _beat(self, every: float) -> None:
        while not self._stopped.wait(every):
            try:
                self._on_record(self._write)
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
    """
    record = {**details, **_myself(), "attempt": uuid.uuid4().hex[:12]}
    hasty = store.hasty()
    while True:
        owner = store.patiently(lambda: _take(hasty, path, record))
        if owner is None and _settled(store, path, record["attempt"]):
            return Ownership(store, path, record, every)
        if not wait:
            return None
        if waiting is not None and owner is not None:
            waiting(owner)
            waiting = None
        time.sleep(1)


def _take(store: Store, path: str, record: dict[str, Any]) -> dict[str, Any] | None:
    """Writes `record` as the owner; returns the record of another live owner if there is one."""
    with locked(store, path):
        owner = read_owner(store, path)
        # Its own record is there if the answer to an earlier try was lost.
        foreign = owner is not None and owner.get("attempt") != record["attempt"]
        ageing = not recovered_within(store.place, RECOVERY_SECONDS)
        if owner is not None and foreign and is_live(owner, ageing=ageing):
            return owner
        record["heartbeat"] = datetime.now(UTC).isoformat()
        store.write(path, json.dumps(record).encode())
        return None


def _settled(store: Store, path: str, attempt: str) -> bool:
    """Whether the record just written stands. Under a lock it does; an object store has none."""
    if store.is_local:
        return True
    time.sleep(SETTLE_SECONDS)
    return (read_owner(store, path) or {}).get("attempt") == attempt


def read_owner(store: Store, path: str) -> dict[str, Any] | None:
    """Reads the record of an owner; None if there is none or it is no record."""
    content = store.read(path)
    try:
        record = json.loads(content) if content else None
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def is_live(record: Mapping[str, Any], *, ageing: bool = True) -> bool:
    """Tells whether the owner can still write; without `ageing` at any age of its heartbeat."""
    if record.get("state", RUNNING) != RUNNING:
        return False
    if record.get("host") == socket.gethostname():
        started = process_started(int(record["pid"]))
        if started is None or started != record.get("pid_started"):
            return False
    heartbeat = datetime.fromisoformat(record["heartbeat"])
    return not ageing or not is_silent(heartbeat, datetime.now(UTC))


def is_silent(heartbeat: datetime, now: datetime) -> bool:
    """Tells whether what recurs every few seconds is overdue: the last time was `heartbeat`."""
    return now - heartbeat > timedelta(seconds=STALE_SECONDS)


def process_started(pid: int) -> int | None:
    """Start time of the process in clock ticks since boot; None if it is gone or a zombie.

    Where there is no /proc it is 0 for every process that exists.
    """
    if not Path("/proc/self/stat").exists():
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        return 0
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name, in parentheses, may itself hold spaces and parentheses.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def _myself() -> dict[str, Any]:
    pid = os.getpid()
    return {"host": socket.gethostname(), "pid": pid, "pid_started": process_started(pid)}


@contextmanager
def locked(store: Store, path: str) -> Iterator[None]:
    """Holds the lock of the file's folder, where the store is a file system."""
    if not store.is_local:
        yield
        return
    folder = Path(store.base) / Path(path).parent
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
