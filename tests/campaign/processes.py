"""Processes of a round: all that it started, whoever their parents were, and what each is."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from tests.processes import descendants, kill, trains

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
# The names that the kernel has of Ray's servers.
SERVERS = {"raylet": "raylet", "gcs": "gcs_server"}


def adopt_orphans() -> None:
    """Makes this process the parent of every descendant whose own parent ends (Linux)."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Makes the kernel kill this process when its parent has ended (Linux)."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def of_role(role: str, pids: Iterable[int]) -> list[int]:
    """Those of the processes that are a raylet, a GCS server or a trial's worker; `all`: all."""
    return sorted(pid for pid in pids if role == "all" or _is(role, pid))


def _is(role: str, pid: int) -> bool:
    if role == "worker":
        return trains(pid)
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/comm").read_text().strip() == SERVERS[role]
    return False


def end_family() -> int:
    """Kills all that this process started, until nothing is left; returns how many there were."""
    count = 0
    while pids := descendants(os.getpid()):
        count += len(pids)
        kill(*pids)
        time.sleep(0.05)
    return count
