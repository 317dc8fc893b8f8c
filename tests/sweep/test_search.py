"""`python -m sweep.search`: what it refuses and shows, how it goes on, and a real search."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sweep import search
from sweep.run import launch
from sweep.run.rows import plan_rows
from sweep.store.store import Store
from tests.sweep.stub_launcher import Stopped, one_after_the_other
from trainer.config.trial import TrialConfig, trial_config

SMALL = ("--profile=digits", "--setting=C_8-32", "--iterations=2", "--trials=3")


def command(capsys: pytest.CaptureFixture[str], *flags: str) -> tuple[int, str, str]:
    code = search.main([*flags])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--trials 0", "--trials must be at least 1, but got 0"),
        ("--seed -1", "--seed must be from 0 to 2^32 - 1, but got -1"),
        ("--trial-seed -1", "seed must be at least 0, but got -1"),
        ("--iterations 0", "iterations must be at least 1, but got 0"),
        ("--timeout 2x", "argument --timeout: a time is like 90s, 30m, 8h or 1h30m, not '2x'"),
        ("--settings C_9-32", "unknown setting 'C_9-32'; did you mean: C_8-32"),
        ("--settings ''", "unknown setting ''"),
        ("--method sr_static", "unknown method 'sr_static'; did you mean: sr-static"),
        ("--method sn", "--method sn lifts no singular values by rank"),
        ("--space full --dataset digits9", "unknown data set of the digits profile 'digits9'"),
        ("--space full --settings 'C_*'", "--settings is for --space i; --space full takes"),
        ("--space full --method sn", "--method is for --space i; --space full searches"),
        (
            "--dataset digits8,digits16",
            "--space i takes one --dataset; --space full takes several",
        ),
        ("--space j", "argument --space: invalid choice: 'j'"),
        ("--scheduler hyperband", "argument --scheduler: invalid choice: 'hyperband'"),
        ("--scheduler asha --reduction 1", "--reduction must be at least 2, but got 1"),
        ("--scheduler asha --grace 0", "--grace must be at least 1 iteration, but got 0"),
        ("--grace 100", "--grace is for --scheduler asha"),
        ("--name a/b", "--name 'a/b' may hold letters"),
        ("--profile paper", "a search needs FID as its objective: no Inception weights"),
    ],
)
def test_bad_input_is_one_line(
    flags: str,
    said: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("INCEPTION_WEIGHTS", raising=False)
    root = tmp_path / "r"
    code, out, err = command(capsys, "--profile=digits", f"--results={root}", *shlex.split(flags))
    assert (code, out) == (2, "")
    assert err.startswith(f"python -m sweep.search: {said}")
    assert err.count("\n") == 1
    assert not root.exists()


def test_examples_are_commands_that_parse() -> None:
    lines = search.EXAMPLES.replace("\\\n", " ").splitlines()
    commands = [shlex.split(line) for line in lines if "python -m" in line]
    assert len(commands) == 3
    for words in commands:
        search.parser().parse_args(words[words.index("sweep.search") + 1 :])


def test_a_dry_run_shows_the_studies_and_neither_writes_nor_loads_ray(
    environment: dict[str, str], tmp_path: Path
) -> None:
    code = (
        "import sys; from sweep import search; code = search.main(sys.argv[1:]); "
        "loaded = {'ray', 'optuna', 'torch'} & set(sys.modules); sys.exit(code or len(loaded))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, *SMALL, "--setting=C_8-32,C_16-32", "--dry-run", "--json",
         "--results=r"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    studies = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [(s["study"], s["possible"], s["left"]) for s in studies] == [
        ("C_8-32", 32, 3), ("C_16-32", 32, 3),
    ]  # fmt: skip
    assert "nothing was started" in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_needs_neither_data_nor_weights(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("INCEPTION_WEIGHTS", raising=False)
    code, out, _ = command(capsys, "--setting=B_64-64", f"--results={tmp_path}", "--dry-run")
    assert code == 0
    assert "20 left to suggest" in out
    assert "missing here: no Inception weights: " in out
    assert "missing here: cifar10 is read from --data-root" in out


def scored(config: TrialConfig) -> dict[str, Any]:
    return {"objective": config.i_ratio, "best_iteration": 2}


def record(root: Path) -> dict[str, Any]:
    (path,) = (root / "sweeps").glob("*.study.json")
    return json.loads(path.read_text())


def test_a_search_goes_on_where_it_was_stopped(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = (*SMALL, f"--results={tmp_path}")
    monkeypatch.setattr(launch, "launch", one_after_the_other(scored, 1))
    with pytest.raises(Stopped):
        search.main([*flags])
    assert record(tmp_path)["space"] == "i", "on record though the driver has gone"
    code, out, _ = command(capsys, *flags, "--dry-run", "--json")
    assert code == 0
    shown = json.loads(out)
    assert (shown["planned"], shown["done"], shown["to_run_first"], shown["left"]) == (2, 1, 1, 1)

    monkeypatch.setattr(launch, "launch", one_after_the_other(scored))
    code, out, _ = command(capsys, *flags)
    assert code == 0
    assert "study C_8-32: 3 of 3 trials finished\n" in out
    store = Store(tmp_path)
    (name,) = [file.key for file in store.list("sweeps") if file.path.endswith(".parquet")]
    planned = [row["trial_id"] for row in store.read_rows("sweeps", name)]
    assert len(set(planned)) == len(planned) == 3
    assert {file.key for file in store.list("trials")} == set(planned)
    (study,) = record(tmp_path)["studies"]
    assert {one["trial_id"] for one in study["finished"]} == set(planned)
    rows = store.read_all("trials", planned)
    assert {one["trial_id"]: one["objective"] for one in study["finished"]} == {
        i: row["objective"] for i, row in rows.items()
    }

    # Nothing is left; more trials go on from these.
    monkeypatch.setattr(launch, "launch", one_after_the_other(scored, 0))
    assert command(capsys, *flags)[0] == 0
    _, out, _ = command(capsys, *flags, "--trials=5", "--dry-run", "--json")
    assert json.loads(out)["left"] == 2


def test_a_name_that_another_sweep_has_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    store = Store(tmp_path)
    flags = ("--profile=digits", f"--results={tmp_path}", "--name=taken", "--dry-run")
    other = [trial_config("digits", "C_8-32", "sn", 0)]
    store.write_rows("sweeps", "taken", plan_rows("taken", other))
    code, _, err = command(capsys, *flags, "--setting=C_8-32")
    assert code == 2
    assert "sweep 'taken' has 1 trials that are not in this plan" in err
    # The sn trial is one of the full space's, but the sweep says what it is.
    store.write("sweeps/taken.study.json", b'{"space": "i"}')
    code, _, err = command(capsys, *flags, "--space=full")
    assert code == 2
    assert "sweep 'taken' is a search with --space i: give another --name" in err


@pytest.mark.slow
def test_a_real_search_and_more_of_it(environment: dict[str, str], tmp_path: Path) -> None:
    def searched(trials: int) -> str:
        ran = subprocess.run(
            [sys.executable, "-m", "sweep.search", "--profile=digits", "--setting=C_8-32",
             "--iterations=2", f"--trials={trials}", "--results=r"],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280,
            check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    store = Store(tmp_path / "r")
    assert "study C_8-32: 2 of 2 trials finished" in searched(2)
    first = {file.path: store.read(file.path) for file in store.list("trials")}
    assert len(first) == 2
    said = searched(3)
    assert "study C_8-32: 3 of 3 trials finished" in said
    assert "best FD-digits before mode collapse" in said
    rows = store.read_all("trials", [file.key for file in store.list("trials")])
    assert [row["status"] for row in rows.values()] == ["completed"] * 3
    for path, content in first.items():
        assert store.read(path) == content, "what was there was not run again"
    (study,) = record(tmp_path / "r")["studies"]
    assert {one["trial_id"]: one["objective"] for one in study["finished"]} == {
        trial_id: row["objective"] for trial_id, row in rows.items()
    }
    assert store.list("claims") == []


@pytest.mark.slow
def test_a_real_search_stops_trials_at_rungs_and_without_goes_on(
    environment: dict[str, str], tmp_path: Path
) -> None:
    def searched(*flags: str) -> str:
        ran = subprocess.run(
            [sys.executable, "-m", "sweep.search", "--profile=digits", "--setting=C_8-32",
             "--iterations=200", "--trials=4", "--results=r", "--max-concurrent=1", *flags],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280,
            check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    store = Store(tmp_path / "r")
    asha = ("--scheduler=asha", "--grace=20", "--no-stop-on-collapse")
    text = searched(*asha)
    rows = store.read_all("trials", [file.key for file in store.list("trials")])
    stopped = {i: row for i, row in rows.items() if row["status"] == "stopped"}
    assert 0 < len(stopped) < len(rows) == 4, "the first is the best when it comes"
    assert f"{len(stopped)} of them stopped at a rung" in text
    for trial_id, row in stopped.items():
        assert row["rung_budget"] in (20, 60, 180)
        assert row["rung_budget"] <= row["iteration"] < 200
        assert row["stop_reason"].startswith(f"rung {row['rung']} of successive halving")
        assert f"{trial_id} stopped: rung" in text
    # Again, nothing is left to do; without a scheduler the same trials go on to their end.
    before = {file.path: store.read(file.path) for file in store.list("trials")}
    searched(*asha)
    assert {file.path: store.read(file.path) for file in store.list("trials")} == before
    searched("--no-stop-on-collapse")
    rows = store.read_all("trials", [*rows])
    assert [row["status"] for row in rows.values()] == ["completed"] * 4
    assert [row["rung"] for row in rows.values()] == [None] * 4
