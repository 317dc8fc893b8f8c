"""Locks of folders, and file systems that have none."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sweep.store.locks import has_locks, locked
from sweep.store.store import Store


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


HOLDER = """
import fcntl, os, signal, sys
lock = open(sys.argv[1], "w")
fcntl.flock(lock, fcntl.LOCK_EX)
print("locked", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.fixture
def suspended_holder(tmp_path: Path) -> Iterator[int]:
    """A process that was suspended while it held the lock of the folder."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / ".lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        yield process.pid
        process.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who holds a lock")
def test_a_suspended_holder_is_named_and_not_waited_for(
    tmp_path: Path, suspended_holder: int
) -> None:
    said = rf"process {suspended_holder}, which is suspended, has kept .*/\.lock locked for 0 s"
    with pytest.raises(TimeoutError, match=said), locked(tmp_path, seconds=0.1):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who holds a lock")
def test_a_store_waits_for_it_with_a_line_and_goes_on(
    tmp_path: Path,
    suspended_holder: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sweep.store.store.LOCK_SECONDS", 0.1)
    store = Store(tmp_path, patience=20)
    threading.Timer(1, os.kill, (suspended_holder, signal.SIGCONT)).start()
    store.update("a.json", lambda _: b"{}")
    assert store.read("a.json") == b"{}"
    first, last = capsys.readouterr().err.splitlines()
    assert f"process {suspended_holder}, which is suspended, has kept" in first
    assert "goes on" in last


def test_one_that_others_lock_in_turn_is_had_in_time(tmp_path: Path) -> None:
    entered: list[int] = []

    def enter(number: int) -> None:
        for _ in range(20):
            with locked(tmp_path, seconds=30):
                entered.append(number)
                time.sleep(0.001)

    threads = [threading.Thread(target=enter, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(entered) == 160
