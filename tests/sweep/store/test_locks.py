"""Locks of folders, and file systems that have none."""

from __future__ import annotations

import errno
import fcntl
import threading
import time
from pathlib import Path

import pytest

from sweep.store.locks import has_locks, locked


def test_one_at_a_time(tmp_path: Path) -> None:
    order: list[str] = []

    def enter(name: str) -> None:
        with locked(tmp_path / "sweeps"):
            order.append(f"{name} in")
            time.sleep(0.2)
            order.append(f"{name} out")

    threads = [threading.Thread(target=enter, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert has_locks(tmp_path / "sweeps")
    assert order in (["a in", "a out", "b in", "b out"], ["b in", "b out", "a in", "a out"])


def test_a_lock_that_another_holds_is_one(tmp_path: Path) -> None:
    with open(tmp_path / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert has_locks(tmp_path)


@pytest.mark.usefixtures("without_locks")
def test_where_locks_are_refused_nobody_waits(tmp_path: Path) -> None:
    assert not has_locks(tmp_path)
    with locked(tmp_path), locked(tmp_path):
        pass


def test_an_error_that_is_no_refusal_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OSError, match="Input/output error"), locked(tmp_path):
        pass
