"""What to do while the store is away or full: try again, say so once. Standard library only.

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

# For how long those who train go on trying while a store cannot be reached.
PATIENCE_SECONDS = 300.0
FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 5.0

AWAY = "cannot be reached"
FULL = "has no room"
_FULL = {errno.ENOSPC, errno.EDQUOT}
# What a network file system says while its server is away. ESTALE also follows a replaced file.
_AWAY = {
    errno.ETIMEDOUT,
    errno.ESTALE,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.ENETUNREACH,
}
# Arrow tells the errors of S3 apart in its message only. HEAD has no body, so no name of an error.
_S3_AWAY = re.compile(
    r"AWS Error (NETWORK_CONNECTION|INTERNAL_FAILURE|SERVICE_UNAVAILABLE|SLOW_DOWN|THROTTLING"
    r"|REQUEST_TIMEOUT)|\(HTTP status (429|5\d\d)\)"
)

_lock = threading.Lock()
# By store: when each call that is in trouble was first refused, and when one last got through.
_troubled: dict[str, list[float]] = {}
_recovered: dict[str, float] = {}


def trouble(error: OSError) -> str | None:
    """AWAY or FULL if the failure can pass by itself, else None."""
    if error.errno in _FULL:
        return FULL
    return AWAY if error.errno in _AWAY or _S3_AWAY.search(str(error)) else None


def patiently(action: Callable[[], T], where: str, seconds: float) -> T:
    """Calls `action` until nothing that passes makes it fail; raises its error otherwise.

    Gives up on what is away after `seconds`; with 0 it tries once and says nothing. `where` names
    the store in what is said on stderr, once at the begin and once at the end of the trouble.
    """
    delay, since, began = FIRST_DELAY_SECONDS, None, None
    try:
        while True:
            try:
                result = action()
            except OSError as error:
                kind, now = trouble(error), time.monotonic()
                since = now if since is None or kind == FULL else since
                if not seconds or kind is None or now - since >= seconds:
                    raise
                began = _begins(where, kind, error, seconds) if began is None else began
            else:
                if began is not None:
                    _recovers(where)
                return result
            # Not all at the same moment: many trials wait for one store.
            time.sleep(delay * random.uniform(0.5, 1))
            delay = min(2 * delay, LONGEST_DELAY_SECONDS)
    finally:
        if began is not None:
            with _lock:
                _troubled[where].remove(began)


def recovered_within(where: str, seconds: float) -> bool:
    """Whether this process saw the store in trouble at most `seconds` ago."""
    ended = _recovered.get(where)
    return bool(_troubled.get(where)) or (
        ended is not None and time.monotonic() - ended <= seconds
    )


def _begins(where: str, kind: str, error: OSError, seconds: float) -> float:
    """Counts the call among those in trouble; the first one says so."""
    began = time.monotonic()
    with _lock:
        calls = _troubled.setdefault(where, [])
        calls.append(began)
        if len(calls) == 1:
            until = "until there is" if kind == FULL else f"for up to {seconds:.0f} s"
            sys.stderr.write(f"{where} {kind}, trying again {until}: {error}\n")
    return began


def _recovers(where: str) -> None:
    """The last call in trouble says that it is over: a small file fits before a big one."""
    now = time.monotonic()
    with _lock:
        _recovered[where] = now
        if len(calls := _troubled[where]) == 1:
            sys.stderr.write(f"{where} is back after {now - calls[0]:.0f} s\n")
