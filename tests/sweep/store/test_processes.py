"""Which process a record names."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from sweep.store import processes
from sweep.store.processes import (
    is_gone,
    is_gone_by_name,
    name_in_files,
    own_record,
    process_started,
)


@pytest.fixture
def ended() -> int:
    """The pid of a process that has ended."""
    done = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


def test_this_process_is_not_gone() -> None:
    record = own_record()
    assert record["pid"] == os.getpid()
    assert record["machine"]
    assert not is_gone(record)


def test_one_that_has_ended_is_gone(ended: int) -> None:
    assert is_gone(own_record() | {"pid": ended})
    assert is_gone(own_record() | {"pid_started": 1}), "a reused pid is another process"


@pytest.mark.parametrize(
    "elsewhere", [{"host": "elsewhere"}, {"machine": "another boot"}, {"machine": None}]
)
def test_of_another_machine_nothing_is_known(ended: int, elsewhere: dict) -> None:
    assert not is_gone(own_record() | {"pid": ended} | elsewhere)


@pytest.mark.parametrize("junk", [{}, {"pid": "7"}, {"pid": None}])
def test_what_names_no_process_is_not_gone(junk: dict) -> None:
    record = own_record()
    del record["pid"]
    assert not is_gone(record | junk)


def test_without_proc_nothing_is_known(monkeypatch: pytest.MonkeyPatch, ended: int) -> None:
    def refuse(path: str) -> str:
        raise FileNotFoundError(path)

    record = own_record() | {"pid": ended}
    monkeypatch.setattr(os, "readlink", refuse)
    assert processes.machine() is None
    assert not is_gone(record)


def test_under_a_proc_of_another_namespace_nothing_is_known(
    monkeypatch: pytest.MonkeyPatch, ended: int
) -> None:
    record = own_record() | {"pid": ended}
    monkeypatch.setattr(os, "readlink", lambda path: "1")
    assert not is_gone(record)


def test_a_zombie_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert process_started(child.pid) is None
    child.wait()


def test_names_in_files(ended: int) -> None:
    own = name_in_files()
    pid, start, machine = own.split("-")
    assert pid == str(os.getpid())
    assert not is_gone_by_name(own)
    assert is_gone_by_name(f"{ended}-{start}-{machine}")
    assert is_gone_by_name(f"{pid}-1-{machine}")
    assert not is_gone_by_name(f"{ended}-{start}-elsewhere")
    assert not any(map(is_gone_by_name, ["", "7", "7-8", f"x-1-{machine}", f"--{machine}"]))
