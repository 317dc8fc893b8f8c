from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from starlette.exceptions import HTTPException

from api.sql import processes
from api.sql.processes import QUESTION, ask
from sweep.store.store import Store
from trainer.config.lookup import UsageError


@pytest.mark.parametrize(
    ("sql", "asks"),
    [
        ("select 1", True), (" \n(SELECT 1)", True), ("with a as (from trials) from a", True),
        ("-- a line\n/* and\nmore */ from trials", True), ("describe trials", True),
        ("copy trials to 'a'", False), ("selection", False), ("", False), ("-- select 1", False),
        ("1 select", False),
    ],
)  # fmt: skip
def test_what_is_no_question_needs_no_process(sql: str, asks: bool) -> None:
    assert bool(QUESTION.match(sql)) == asks


def test_a_process_that_hangs_is_killed(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one may that computes in C++ where DuckDB does not look for an interrupt."""
    monkeypatch.setattr(processes, "STATEMENT_SECONDS", 0.2)
    monkeypatch.setattr(processes, "OTHER_SECONDS", 0.2)
    started: list[subprocess.Popen[bytes]] = []

    def popen(command: list[str], **options: object) -> subprocess.Popen[bytes]:
        hanging = [sys.executable, "-c", "import time; time.sleep(60)"]
        started.append(original(hanging, **options))  # type: ignore[call-overload]
        return started[-1]

    original = subprocess.Popen
    monkeypatch.setattr(processes.subprocess, "Popen", popen)
    with pytest.raises(UsageError, match=r"longer than 0\.4 s"):
        ask(Store(filled), "select 1", 1)
    assert started[0].returncode == -9


def test_a_process_that_dies_is_explained(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes.sys, "executable", "/bin/false")
    with pytest.raises(UsageError, match="ended with 1"):
        ask(Store(filled), "select 1", 1)
    monkeypatch.setattr(processes.sys, "executable", "/no/such/python")
    with pytest.raises(HTTPException, match="no process could be started"):
        ask(Store(filled), "select 1", 1)
