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
_troubled: dict[str, float] = {}
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
    delay, since = FIRST_DELAY_SECONDS, None
    while True:
        try:
            result = action()
        except OSError as error:
            kind, now = trouble(error), time.monotonic()
            since = now if since is None or kind == FULL else since
            if not seconds or kind is None or now - since >= seconds:
                raise
            _begins(where, kind, error, seconds)
        else:
            _ends(where)
            return result
        # Not all at the same moment: many trials wait for one store.
        time.sleep(delay * random.uniform(0.5, 1))
        delay = min(2 * delay, LONGEST_DELAY_SECONDS)


def recovered_within(where: str, seconds: float) -> bool:
    """Whether this process saw the store in trouble at most `seconds` ago."""
    ended = _recovered.get(where)
    return where in _troubled or (ended is not None and time.monotonic() - ended <= seconds)


def _begins(where: str, kind: str, error: OSError, seconds: float) -> None:
    with _lock:
        if where in _troubled:
            return
        _troubled[where] = time.monotonic()
    until = "until there is" if kind == FULL else f"for up to {seconds:.0f} s"
    sys.stderr.write(f"{where} {kind}, trying again {until}: {error}\n")


def _ends(where: str) -> None:
    if where not in _troubled:
        return
    with _lock:
        began = _troubled.pop(where, None)
        _recovered[where] = time.monotonic()
    if began is not None:
        sys.stderr.write(f"{where} is back after {time.monotonic() - began:.0f} s\n")
