"""Processes that tests start, kill and look for, whoever their parents were (Linux)."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path


def living() -> dict[int, tuple[int, int]]:
    """Of every process that lives: parent and start time, by pid."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if fields[0] not in "ZX":
                found[int(entry.name)] = (int(fields[1]), int(fields[19]))
    return found


def descendants(pid: int) -> set[int]:
    """The living processes that descend from `pid`, in whatever group, session or namespace."""
    parents = {child: parent for child, (parent, _) in living().items()}
    members = {pid}
    while more := {p for p, parent in parents.items() if parent in members} - members:
        members |= more
    return members - {pid}


def trains(pid: int) -> bool:
    """Whether it lives and is a trial's: Ray names a worker after the actor that it is.

    Ray's agents of a cluster that has gone take up to a minute to see that, and are not meant.
    """
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return b"TrialActor" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def kill(*pids: int, number: int = signal.SIGKILL) -> None:
    """Sends a signal to those of the processes that are there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
