"""`python -m sweep.rivals`: what it refuses and shows, how it goes on, and a real contest."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sweep import rivals
from sweep.run import launch
from sweep.run.rows import plan_rows
from sweep.store.store import Store
from sweep.store.vocabulary import FINISHED
from tests.sweep.small_sweep import Driver, wait_until
from tests.sweep.stub_launcher import Stopped, one_after_the_other
from trainer.config.trial import TrialConfig, trial_config

SMALL = (
    "--profile=digits", "--methods=sn,sr-static,pacgan", "--settings=C_8-32", "--iterations=2",
    "--budget=3", "--seeds=10,11",
)  # fmt: skip


def command(capsys: pytest.CaptureFixture[str], *flags: str) -> tuple[int, str, str]:
    code = rivals.main([*flags])
    output = capsys.readouterr()
    return code, output.out, output.err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--budget 0", "--budget must be at least 1, but got 0"),
        ("--sampler-seed -1", "--sampler-seed must be from 0 to 2^32 - 1, but got -1"),
        ("--seeds 0-3", "seed 0 is one of --tuning-seeds and of --seeds"),
        ("--tuning-seeds x", "seeds are whole numbers from 0, like 0,1 or 0-4, not 'x'"),
        ("--tuning-setting C_9-32", "unknown setting 'C_9-32'; did you mean: C_8-32"),
        ("--settings C_9-32", "unknown setting 'C_9-32'; did you mean: C_8-32"),
        ("--methods sr_static", "unknown method 'sr_static'; did you mean: sr-static"),
        ("--iterations 0", "iterations must be at least 1, but got 0"),
        ("--name a/b", "--name 'a/b' may hold letters"),
        ("--reduction 3", "--reduction is for --scheduler asha"),
        ("--profile paper", "tuning needs FID as its objective: no Inception weights"),
    ],
)
def test_bad_input_is_one_line(
    flags: str,
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("INCEPTION_WEIGHTS", raising=False)
    root = tmp_path / "r"
    code, out, err = command(capsys, "--profile=digits", f"--results={root}", *shlex.split(flags))
    assert (code, out) == (2, "")
    assert err.startswith(f"python -m sweep.rivals: {message}")
    assert err.count("\n") == 1
    assert not root.exists()


def test_examples_are_commands_that_parse() -> None:
    lines = rivals.EXAMPLES.replace("\\\n", " ").splitlines()
    commands = [shlex.split(line) for line in lines if "python -m" in line]
    assert len(commands) == 3
    for words in commands:
        rivals.parser().parse_args(words[words.index("sweep.rivals") + 1 :])


def test_a_dry_run_shows_trials_and_cost_and_neither_writes_nor_loads_ray(
    environment: dict[str, str], tmp_path: Path
) -> None:
    code = (
        "import sys; from sweep import rivals; code = rivals.main(sys.argv[1:]); "
        "loaded = {'ray', 'optuna', 'torch'} & set(sys.modules); sys.exit(code or len(loaded))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, *SMALL, "--dry-run", "--json", "--results=r"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    sn, sr, pacgan = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [m["candidates"] for m in (sn, sr, pacgan)] == [0, 3, 3]
    assert [m["tuning_trials"] for m in (sn, sr, pacgan)] == [0, 6, 6]
    assert [m["final_trials"] for m in (sn, sr, pacgan)] == [2, 2, 2]
    assert [m["iterations"] for m in (sn, sr, pacgan)] == [4, 16, 16]
    assert sr["knobs"][0] == "i_ratio 0.0625 to 1 (linear, 16 levels)"
    assert sr["seconds_left"] == sr["seconds"] > 0
    assert "nothing was started" in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_needs_neither_data_nor_weights(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("INCEPTION_WEIGHTS", raising=False)
    flags = ("--methods=sn,unrolled", "--settings=B_64-64,E_512-64", f"--results={tmp_path}")
    code, out, _ = command(capsys, *flags, "--dry-run")
    assert code == 0
    assert "missing here: no Inception weights: " in out
    assert "missing here: cifar10 is read from --data-root" in out
    assert "skipped E_512-64 with unrolled: " in out
    assert "GPU-hours in all" in out


def scored(config: TrialConfig) -> dict[str, float]:
    """The scores of a trial: of a faster D the worse ones."""
    score = 100.0 * config.discriminator_rate + config.seed
    return {"objective": score, "best_fd_digits": score}


def record(root: Path) -> dict[str, Any]:
    (path,) = (root / "sweeps").glob("*.study.json")
    return json.loads(path.read_text())


def winners(root: Path) -> dict[str, Any]:
    return {method["method"]: method["winner"] for method in record(root)["methods"]}


def planned(root: Path) -> list[str]:
    store = Store(root)
    (name,) = [file.key for file in store.list("sweeps") if file.path.endswith(".parquet")]
    return [row["trial_id"] for row in store.read_rows("sweeps", name)]


def test_a_contest_goes_on_where_it_was_stopped(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tmp_path / "whole"
    monkeypatch.setattr(launch, "launch", one_after_the_other(scored))
    assert command(capsys, *SMALL, f"--results={whole}")[0] == 0

    root = tmp_path / "killed"
    flags = (*SMALL, f"--results={root}")
    for trials in (1, 3, 5):
        monkeypatch.setattr(launch, "launch", one_after_the_other(scored, trials))
        with pytest.raises(Stopped):
            rivals.main([*flags])
    code, out, _ = command(capsys, *flags, "--dry-run")
    assert code == 0
    assert "10 trials planned so far, 9 done; nothing was started" in out
    monkeypatch.setattr(launch, "launch", one_after_the_other(scored))
    code, out, _ = command(capsys, *flags)
    assert code == 0
    assert winners(root) == winners(whole)
    assert len(set(planned(root))) == len(planned(root)) == 2 * 3 * 2 + 3 * 2
    assert sorted(planned(root)) == sorted(planned(whole))
    assert "candidate" in out

    # Nothing is left; a bigger budget and more settings under the same name go on from these.
    name = next((root / "sweeps").glob("*.study.json")).name.removesuffix(".study.json")
    monkeypatch.setattr(launch, "launch", one_after_the_other(scored, 0))
    assert command(capsys, *flags)[0] == 0
    before = set(planned(root))
    monkeypatch.setattr(launch, "launch", one_after_the_other(scored))
    more = (f"--name={name}", "--budget=5", "--settings=C_8-32,C_16-32")
    assert command(capsys, *flags, *more)[0] == 0
    assert before < set(planned(root))
    assert [m["budget"] for m in record(root)["methods"]] == [0, 5, 5]


def test_a_name_that_another_sweep_has_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    flags = (*SMALL, f"--results={tmp_path}", "--name=taken")
    store.write_rows(
        "sweeps", "taken", plan_rows("taken", [trial_config("digits", "B_64-64", "sn", 0)])
    )
    code, _, err = command(capsys, *flags)
    assert code == 2
    assert "sweep 'taken' has 1 trials that are not in this plan" in err
    store.write("sweeps/taken.study.json", b'{"space": "i"}')
    code, _, err = command(capsys, *flags)
    assert code == 2
    assert "sweep 'taken' is a search and no contest: give another --name" in err
    store.delete("sweeps/taken.study.json")
    store.delete("sweeps/taken.parquet")

    monkeypatch.setattr(launch, "launch", one_after_the_other(scored, 3))
    with pytest.raises(Stopped):
        rivals.main([*flags])
    code, _, err = command(capsys, *flags, "--tuning-seeds=0,2")
    assert code == 2
    assert "tuning_seeds [0, 1], not [0, 2]: give another --name" in err
    content = record(tmp_path)
    content["methods"][1]["candidates"][0]["values"]["i_ratio"] = 0.51
    store.write("sweeps/taken.study.json", json.dumps(content).encode())
    code, _, err = command(capsys, *flags)
    assert code == 2
    assert "which this version has no levels for: give another --name" in err


@pytest.mark.slow
def test_a_real_contest_that_is_killed_has_the_same_winners(
    environment: dict[str, str], tmp_path: Path
) -> None:
    flags = ("sweep.rivals", *SMALL, "--budget=2")
    whole = Driver(environment, tmp_path / "whole.log", *flags, f"--results={tmp_path / 'whole'}")
    assert whole.wait() == 0, whole.said()
    assert "tuned on C_32-32, seeds 0, 1: mean best FD-digits" in whole.said()
    assert "of 2; as published" in whole.said()

    root = tmp_path / "killed"
    first = Driver(environment, tmp_path / "first.log", *flags, f"--results={root}")
    wait_until(lambda: len(list((root / "trials").glob("*.parquet"))) >= 3, 200)
    first.process.send_signal(signal.SIGKILL)
    first.process.wait(30)
    begun = set(planned(root))
    again = Driver(environment, tmp_path / "again.log", *flags, f"--results={root}")
    assert again.wait() == 0, again.said()
    assert winners(root) == winners(tmp_path / "whole")
    assert begun <= set(planned(root)) == set(planned(tmp_path / "whole"))
    rows = Store(root).read_all("trials", planned(root))
    assert {row["status"] for row in rows.values()} <= set(FINISHED)
