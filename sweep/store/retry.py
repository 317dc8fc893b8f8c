"""Retries while the store is unreachable, full or read-only, and says so. Standard library only.

A failure passes by itself, or it does not. A network that fails, a server that answers 5xx and
throttling pass: they are tried again for a stated time. A full disk passes when somebody makes
room, and a store that became read-only under its writer when somebody lets it write again: a
writer waits for those however long it takes. Everything else, like wrong credentials, a missing
bucket or a permission that a reader lacks, is raised at once. So is all of it at the start of a
sweep, which tries to write without patience.
"""

from __future__ import annotations

import errno
import random
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

# How long writers of a sweep retry while a store cannot be reached.
PATIENCE_SECONDS = 300.0
# How long readers do: a person waits, and a service that does not get through says so.
READER_PATIENCE_SECONDS = 3.0
FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 5.0
# From one line on a trouble that lasts to the next.
REPEAT_SECONDS = 60.0

UNREACHABLE = "cannot be reached"
FULL = "has no room"
READ_ONLY = "cannot be written"
# Ends of these need somebody to act, which takes as long as it takes.
_ENDLESS = {FULL: "until there is", READ_ONLY: "until it can"}
# A quota is freed like a disk.
_FULL = {errno.ENOSPC, errno.EDQUOT}
# A file system that finds an error in itself turns read-only, and is mounted anew once repaired.
_READ_ONLY = {errno.EROFS}
# Of a write only: the ticket of a network file system runs out and is renewed. A reader that may
# not see a file has nothing to wait for.
_FORBIDDEN = {errno.EACCES, errno.EPERM}
# Errors of a network file system without its server: EIO is what a soft mount and most file
# systems in user space make of it, ENOTCONN that of a process that has ended. A disk that is
# broken says EIO too, and is given up after the same time. ESTALE also follows a replaced file.
_UNREACHABLE = {
    errno.EIO,
    errno.ENOTCONN,
    errno.ETIMEDOUT,
    errno.ESTALE,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.ENETUNREACH,
}
# Arrow tells the errors of buckets apart in its message only. HEAD has no body, so no name of an
# error.
_BUCKET_UNREACHABLE = re.compile(
    r"AWS Error (NETWORK_CONNECTION|INTERNAL_FAILURE|SERVICE_UNAVAILABLE|SLOW_DOWN|THROTTLING"
    r"|REQUEST_TIMEOUT)|\(HTTP status (429|5\d\d)\)"
    # What Google's library repeats itself, for a while.
    r"|google::cloud::Status\((UNAVAILABLE|DEADLINE_EXCEEDED|INTERNAL|RESOURCE_EXHAUSTED)"
)


@dataclass(frozen=True, slots=True)
class Trouble:
    """A store that refuses: `kind` and `reason` of its last refusal, `patience` in s with that,
    and `began_at`, in s of time.monotonic(), the first one of those that still wait."""

    place: str
    kind: str
    reason: str
    patience: float
    began_at: float


_lock = threading.Lock()
# By store: when each call that is in trouble was first refused, the latest refusal, when a line
# was last written about it, and when a call in trouble last got through.
_troubled: dict[str, dict[object, float]] = {}
_refused: dict[str, Trouble] = {}
_line_times: dict[str, float] = {}
_recovered: dict[str, float] = {}
# How many others tell the user, so that no line is written here.
_tellers = 0


def trouble(error: OSError) -> str | None:
    """UNREACHABLE, FULL or READ_ONLY if the failure can pass by itself, else None."""
    if error.errno in _FULL:
        return FULL
    if error.errno in _READ_ONLY:
        return READ_ONLY
    if error.errno in _FORBIDDEN and getattr(error, "writing", False):
        return READ_ONLY
    is_unreachable = error.errno in _UNREACHABLE or _BUCKET_UNREACHABLE.search(str(error))
    return UNREACHABLE if is_unreachable else None


def patiently(
    action: Callable[[], T], place: str, seconds: float, stop: threading.Event | None = None
) -> T:
    """Calls `action` until nothing that passes makes it fail; raises its error otherwise.

    Gives up on an unreachable store after `seconds`, and once `stop` is set; with 0 it tries
    once and says nothing. `place` names the store on stderr: at the begin and at the end of the
    trouble, and every REPEAT_SECONDS in between.
    """
    delay, failing_since, refused_at, call = FIRST_DELAY_SECONDS, None, None, object()
    answered = False
    try:
        while True:
            try:
                result = action()
                answered = True
                return result
            except Exception as error:
                kind = trouble(error) if isinstance(error, OSError) else None
                answered, now = kind is None, time.monotonic()
                endless = kind in _ENDLESS and seconds > READER_PATIENCE_SECONDS
                failing_since = now if failing_since is None or endless else failing_since
                if not seconds or kind is None or now - failing_since >= seconds:
                    raise
                if stop is not None and stop.is_set():
                    raise
                refused_at = now if refused_at is None else refused_at
                _refuse(call, Trouble(place, kind, str(error), seconds, refused_at))
            # Not all at the same moment: many trials wait for one store.
            pause = delay * random.uniform(0.5, 1)
            time.sleep(pause) if stop is None else stop.wait(pause)
            delay = min(2 * delay, LONGEST_DELAY_SECONDS)
    finally:
        if refused_at is not None:
            if answered:  # also where the caller finds that it may not go on
                _recover(place)
            _leave(place, call)


def recovered_within(place: str, seconds: float) -> bool:
    """Tells whether this process saw the store in trouble at most `seconds` ago."""
    return bool(_troubled.get(place)) or got_through_within(place, seconds)


def got_through_within(place: str, seconds: float) -> bool:
    """Tells whether a call that had been refused got through at most `seconds` ago."""
    recovered_at = _recovered.get(place)
    return recovered_at is not None and time.monotonic() - recovered_at <= seconds


def troubles() -> list[Trouble]:
    """Troubles of this process, one for each store that has calls waiting."""
    with _lock:
        return [_trouble_at(place) for place, calls in _troubled.items() if calls]


@contextmanager
def told_elsewhere() -> Iterator[None]:
    """Keeps troubles off stderr: who enters shows troubles() to the user."""
    global _tellers
    _tellers += 1
    try:
        yield
    finally:
        _tellers -= 1


def in_words(trouble: Trouble, now: float) -> str:
    """The trouble in a line; `now` in s of time.monotonic()."""
    lasted = now - trouble.began_at
    duration = f", for {lasted:.0f} s now" if lasted >= REPEAT_SECONDS / 2 else ""
    limit = _ENDLESS.get(trouble.kind, f"for up to {trouble.patience:.0f} s")
    return f"{trouble.place} {trouble.kind}{duration}, trying again {limit}: {trouble.reason}"


def end_in_words(place: str, lasted: float) -> str:
    """The end of a trouble of `lasted` s in a line."""
    return f"{place} is back after {lasted:.0f} s: what waited for it goes on"


def _trouble_at(place: str) -> Trouble:
    latest = _refused[place]
    first = min(_troubled[place].values())
    return Trouble(place, latest.kind, latest.reason, latest.patience, first)


def _refuse(call: object, refusal: Trouble) -> None:
    """Counts the call among those in trouble; says so if nobody has for a while."""
    now, place = time.monotonic(), refusal.place
    with _lock:
        _troubled.setdefault(place, {})[call] = refusal.began_at
        _refused[place] = refusal
        if now - _line_times.get(place, -REPEAT_SECONDS) >= REPEAT_SECONDS:
            _line_times[place] = now
            _write(in_words(_trouble_at(place), now))


def _recover(place: str) -> None:
    """The last call in trouble says that it is over: a small file fits before a big one."""
    now = time.monotonic()
    with _lock:
        _recovered[place] = now
        if len(calls := _troubled[place]) == 1:
            _write(end_in_words(place, now - min(calls.values())))


def _leave(place: str, call: object) -> None:
    with _lock:
        _troubled[place].pop(call, None)
        if not _troubled[place]:
            _line_times.pop(place, None)


def _write(line: str) -> None:
    if not _tellers:
        sys.stderr.write(line + "\n")
