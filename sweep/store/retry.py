"""Retries while the store is unreachable or full, and says so once. Standard library only.

A failure passes by itself, or it does not. A network that fails, a server that answers 5xx and
throttling pass: they are tried again for a stated time. A full disk passes when somebody makes
room: that is waited for however long it takes. Everything else, like wrong credentials, a missing
bucket or a missing permission, is raised at once.
"""

from __future__ import annotations

import errno
import random
import re
import sys
import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# How long writers of a sweep retry while a store cannot be reached.
PATIENCE_SECONDS = 300.0
# How long readers do: a person waits, and a service that does not get through says so.
READER_PATIENCE_SECONDS = 3.0
FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 5.0

UNREACHABLE = "cannot be reached"
FULL = "has no room"
_FULL = {errno.ENOSPC, errno.EDQUOT}
# Errors of a network file system without its server. ESTALE also follows a replaced file.
_UNREACHABLE = {
    errno.ETIMEDOUT,
    errno.ESTALE,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.ENETUNREACH,
}
# Arrow tells the errors of S3 apart in its message only. HEAD has no body, so no name of an error.
_S3_UNREACHABLE = re.compile(
    r"AWS Error (NETWORK_CONNECTION|INTERNAL_FAILURE|SERVICE_UNAVAILABLE|SLOW_DOWN|THROTTLING"
    r"|REQUEST_TIMEOUT)|\(HTTP status (429|5\d\d)\)"
)

_lock = threading.Lock()
# By store: when each call that is in trouble was first refused, and when one last got through.
_troubled: dict[str, list[float]] = {}
_recovered: dict[str, float] = {}


def trouble(error: OSError) -> str | None:
    """UNREACHABLE or FULL if the failure can pass by itself, else None."""
    if error.errno in _FULL:
        return FULL
    return (
        UNREACHABLE if error.errno in _UNREACHABLE or _S3_UNREACHABLE.search(str(error)) else None
    )


def patiently(action: Callable[[], T], place: str, seconds: float) -> T:
    """Calls `action` until nothing that passes makes it fail; raises its error otherwise.

    Gives up on an unreachable store after `seconds`; with 0 it tries once and says nothing.
    `place` names the store on stderr, once at the begin and once at the end of the trouble.
    """
    delay, failing_since, refused_at = FIRST_DELAY_SECONDS, None, None
    try:
        while True:
            try:
                result = action()
            except OSError as error:
                kind, now = trouble(error), time.monotonic()
                failing_since = now if failing_since is None or kind == FULL else failing_since
                if not seconds or kind is None or now - failing_since >= seconds:
                    raise
                refused_at = (
                    _begins(place, kind, error, seconds) if refused_at is None else refused_at
                )
            else:
                if refused_at is not None:
                    _recovers(place)
                return result
            # Not all at the same moment: many trials wait for one store.
            time.sleep(delay * random.uniform(0.5, 1))
            delay = min(2 * delay, LONGEST_DELAY_SECONDS)
    finally:
        if refused_at is not None:
            with _lock:
                _troubled[place].remove(refused_at)


def recovered_within(place: str, seconds: float) -> bool:
    """Tells whether this process saw the store in trouble at most `seconds` ago."""
    recovered_at = _recovered.get(place)
    return bool(_troubled.get(place)) or (
        recovered_at is not None and time.monotonic() - recovered_at <= seconds
    )


def _begins(place: str, kind: str, error: OSError, seconds: float) -> float:
    """Counts the call among those in trouble; the first one says so."""
    now = time.monotonic()
    with _lock:
        calls = _troubled.setdefault(place, [])
        calls.append(now)
        if len(calls) == 1:
            limit = "until there is" if kind == FULL else f"for up to {seconds:.0f} s"
            sys.stderr.write(f"{place} {kind}, trying again {limit}: {error}\n")
    return now


def _recovers(place: str) -> None:
    """The last call in trouble says that it is over: a small file fits before a big one."""
    now = time.monotonic()
    with _lock:
        _recovered[place] = now
        if len(calls := _troubled[place]) == 1:
            sys.stderr.write(f"{place} is back after {now - calls[0]:.0f} s\n")
