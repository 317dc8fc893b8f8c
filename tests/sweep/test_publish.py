"""`python -m sweep.publish` hands on to the service's builder, or says what is missing."""

from __future__ import annotations

import importlib.util
import os
import sys
from importlib.machinery import ModuleSpec

import pytest

from sweep import publish


def test_it_becomes_the_builders_process(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(os, "execv", lambda path, argv: calls.append((path, argv)))
    publish.main(["demo", "out"])
    assert calls == [(sys.executable, [sys.executable, "-m", "api.publish", "demo", "out"])]


def test_a_missing_package_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = importlib.util.find_spec

    def find(name: str) -> ModuleSpec | None:
        return None if name == "fastapi" else found(name)

    monkeypatch.setattr(importlib.util, "find_spec", find)
    assert publish.main(["demo", "out"]) == 2
    error = capsys.readouterr().err
    assert "fastapi not found" in error
    assert error.count("\n") == 1
