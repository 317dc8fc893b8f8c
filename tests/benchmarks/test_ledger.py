"""The ledger: which earlier run a figure is compared with, and what is kept of each."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

SOURCE = Path(__file__).with_name("ledger.py")


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module as benchmarks import it, with a file of its own."""
    spec = importlib.util.spec_from_file_location("ledger", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "RESULTS", tmp_path / "results.jsonl")
    monkeypatch.setattr(sys, "argv", ["/anywhere/speed.py", "--store", "/tmp/a store"])
    return module


def test_the_last_run_on_such_a_machine_is_found(ledger, monkeypatch):
    ledger.record("speed", {"rate": 1.0})
    ledger.record("speed", {"rate": 2.0})
    ledger.record("size", {"rate": 3.0})
    here = ledger.kind_of_machine()
    monkeypatch.setattr(ledger, "kind_of_machine", lambda device: "another machine")
    ledger.record("speed", {"rate": 4.0})
    assert ledger.last("speed", here) == {"rate": 2.0}
    assert ledger.last("speed", "another machine") == {"rate": 4.0}
    assert ledger.last("speed", "a third one") == {}


def test_the_change_is_printed(ledger, capsys):
    ledger.record("speed", {"rate": 8.0, "gone": 1.0})
    assert "since" not in capsys.readouterr().out, "there is nothing to compare the first with"
    ledger.record("speed", {"rate": 10.0, "new": 1.0})
    rate, new = capsys.readouterr().out.splitlines()
    assert rate.split() == ["rate", "10", "+25.0%", "since", "the", "last", "run"]
    assert new.split() == ["new", "1"]


def test_another_machine_is_not_compared_with(ledger, monkeypatch, capsys):
    ledger.record("speed", {"rate": 8.0})
    monkeypatch.setattr(ledger, "kind_of_machine", lambda device: "another machine")
    ledger.record("speed", {"rate": 10.0})
    assert "since" not in capsys.readouterr().out


def test_a_line_says_how_it_came_about_and_not_where(ledger):
    ledger.record("speed", {"rate": 1.0})
    (line,) = map(json.loads, ledger.RESULTS.read_text().splitlines())
    assert line["figures"] == {"rate": 1.0}
    assert line["versions"]["python"].startswith("3.")
    assert line["command"] == "python speed.py --store 'a store'"
