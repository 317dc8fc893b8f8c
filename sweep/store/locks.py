"""Locks of folders, where the file system has locks. Standard library only.

Lustre without `-o flock` and some file systems of FUSE refuse them.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO

LOCK_FILE = ".lock"
REFUSALS = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL}
POLL_SECONDS = 0.02


@contextmanager
def locked(folder: Path, seconds: float | None = None) -> Iterator[None]:
    """Holds the lock of a folder, which is made if need be; none where locks are refused.

    Raises TimeoutError that names the holder if it has been another process's for `seconds`.
    """
    if not has_locks(folder):
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / LOCK_FILE, "w") as lock:
        if seconds is None:
            fcntl.flock(lock, fcntl.LOCK_EX)
        else:
            _lock_within(lock, folder, seconds)
        yield


def _lock_within(lock: IO[str], folder: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
                continue
        text = f"{holder(lock)} has kept {folder / LOCK_FILE} locked for {seconds:.0f} s"
        raise TimeoutError(errno.ETIMEDOUT, text)


def holder(lock: IO[str]) -> str:
    """The process of this machine that holds the lock of an open file, in words, on Linux."""
    inode = str(os.fstat(lock.fileno()).st_ino)
    for line in _lines(Path("/proc/locks")):
        # 1: FLOCK ADVISORY WRITE 4711 fe:00:1234 0 EOF; who waits has an arrow before FLOCK.
        words = line.split()
        if words[1] == "FLOCK" and words[5].rpartition(":")[2] == inode and int(words[4]) > 0:
            return f"process {words[4]}{_suspended(words[4])}"
    return "another process"


def _suspended(pid: str) -> str:
    """Says so of a process that is suspended: it keeps a lock until it goes on, or is ended."""
    states = [line.split()[1] for line in _lines(Path(f"/proc/{pid}/status")) if "State:" in line]
    return ", which is suspended," if states and states[0] in "Tt" else ""


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:  # macOS has none; a process has ended
        return []


@lru_cache(maxsize=64)
def has_locks(folder: Path) -> bool:
    """Tells whether the folder's file system has locks; found out once in a process."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / LOCK_FILE, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError as error:
            if error.errno in REFUSALS:
                return False
            raise
    return True
