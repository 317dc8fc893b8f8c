"""`python -m sweep.own`: bad input, plans without a cluster, and one real sweep."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sweep import own
from sweep.store.store import Store
from tests.sweep.stub_launcher import one_after_the_other

LOOP = """
def train(config, run):
    for iteration in range(run.start, config["iterations"] + 1):
        run.log(iteration, ssim=iteration * config["x"], d_loss=1.0)
        if run.should_stop:
            break

def other(config):
    pass
"""
GRID = "grid = {'x': [0.1, 0.2], 'method': ['mine', 'yours']}\n"
SPACE = "def space(trial):\n    return {'x': trial.suggest_float('x', 0, 1)}\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in {"own_fit.py": LOOP, "grid.py": GRID, "space.py": SPACE}.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_fit", raising=False)  # of another test's folder
    return tmp_path


def command(*arguments: str) -> int:
    return own.main(["own_fit:train", "--iterations", "5", "--results", "results", *arguments])


SEARCH = ("--space", "space.py", "--trials", "3", "--score", "ssim=higher")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["own_fit:other", "--iterations", "5"], "must take two arguments, (config, run)"),
        (["own_fit:train", "--iterations", "0"], "iterations must be a whole number from 1"),
        (["own_fit:train", "--iterations", "5", "--trials", "3"], "--trials is for a space"),
        (["own_fit:train", "--iterations", "5", "--score", "ssim"], "of score 'ssim' it is not"),
        (["own_fit:train", "--iterations", "5", "--scheduler", "asha"], "--scheduler is for"),
        (["own_fit:train", "--iterations", "5", *SEARCH[:2]], "needs --trials N"),
        (["own_fit:train", "--iterations", "5", *SEARCH[:4]], "needs --score NAME"),
        (["own_fit:train", "--iterations", "5", *SEARCH, "--seeds", "0-1"], "one of --seeds"),
        (["own_fit:train"], "--iterations"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert own.main([*arguments, "--results", "results"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
    assert not (folder / "results").exists()


def test_a_grid_is_planned_with_every_seed(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("--space", "grid.py", "--seeds", "0-1", "--dry-run", "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 8
    assert {line["state"] for line in lines} == {"to run"}
    assert lines[0]["config"] == {"iterations": 5, "seed": 0, "x": 0.1, "method": "mine"}


def test_another_source_or_version_is_another_trial(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def ids(*arguments: str) -> set[str]:
        command("--space", "grid.py", "--dry-run", "--json", *arguments)
        return {json.loads(line)["trial_id"] for line in capsys.readouterr().out.splitlines()}

    first, fixed = ids(), ids("--version", "1")
    (folder / "own_fit.py").write_text(LOOP + "\n# changed\n")
    assert not first & ids()
    assert ids("--version", "1") == fixed


def ended(trial: Any) -> dict[str, Any]:
    x = trial.config["x"]
    return {"best_own_score": x, "objective": -x, "score": "ssim", "score_direction": "higher"}


def test_a_search_goes_on_with_what_earlier_starts_have_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sweep.run.launch.launch", one_after_the_other(ended))
    assert command(*SEARCH, "--name", "s") == 0
    assert command(*SEARCH[:3], "5", *SEARCH[4:], "--name", "s") == 0
    rows = Store(folder / "results").read_rows("sweeps", "s")
    assert len({row["trial_id"] for row in rows}) == 5
    assert json.loads(rows[0]["parameters"]).keys() == {"x"}
    assert "the best of the search:" in capsys.readouterr().out
    assert command(*SEARCH, "--name", "s", "--version", "2") == 2
    assert "is of another function or version" in capsys.readouterr().err
    (folder / "space.py").write_text(SPACE.replace("'x'", "'y'"))
    assert command(*SEARCH, "--name", "s") == 2
    assert "the space is another one" in capsys.readouterr().err


@pytest.mark.slow
def test_a_real_sweep_runs_what_is_missing_and_nothing_twice(
    folder: Path, environment: dict[str, str]
) -> None:
    def run() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "sweep.own", "own_fit:train", "--iterations", "5"]
        flags = ["--space", "grid.py", "--score", "ssim=higher", "--results", "results"]
        return subprocess.run(
            [*command, *flags], cwd=folder, env=environment, capture_output=True, text=True
        )

    first = run()
    assert first.returncode == 0, first.stdout + first.stderr
    store = Store(folder / "results")
    rows = store.read_all("trials", [file.key for file in store.list("trials")])
    assert {row["status"] for row in rows.values()} == {"completed"}
    assert sorted(row["best_own_score"] for row in rows.values()) == [0.5, 0.5, 1.0, 1.0]
    assert "4 done: everything is there" in run().stdout
