"""`python -m sweep.mirror`: bad input, one process at a time, kills of it and of the driver."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from sweep import mirror
from sweep.mirrors import opening
from sweep.mirrors.tracker import Away, Refused
from sweep.store.ownership import acquire
from tests.sweep.mirrors import mlflow_server
from tests.sweep.mirrors.stored_sweep import EVERY, NAMES, StoredSweep
from tests.sweep.mirrors.test_follower import Recorder
from tests.sweep.mirrors.test_tensorboard import expected, scalars

ROOT = Path(__file__).parents[2]
EVALUATIONS, TRIALS = 30, 2
# A stand-in for a driver and its trials: goes on from what is stored, an evaluation of each trial
# at a time, as trials write them.
DRIVER = """
import sys, time
from pathlib import Path
from tests.sweep.mirrors.stored_sweep import EVERY, StoredSweep
evaluations, trials = int(sys.argv[2]), int(sys.argv[3])
sweep = StoredSweep(Path(sys.argv[1]), trials)
for k in range(trials):
    rows = sweep.store.read_rows("evaluations", f"t{k}")
    sweep.iterations[k] = max((row["iteration"] for row in rows), default=-EVERY)
    # Like a trial that goes on from its checkpoint: the last evaluation is written again.
    sweep.iterations[k] = max(-EVERY, sweep.iterations[k] - EVERY)
sweep.driver("running")
last = EVERY * (evaluations - 1)
while min(sweep.iterations.values()) < last:
    for k in (k for k in range(trials) if sweep.iterations[k] < last):
        done = sweep.iterations[k] == last - EVERY
        values = {"status": "completed", "final_fd_digits": 7.0} if done else {}
        sweep.evaluate(k, **values)
        time.sleep(0.1)
    # Mirrors on a busy machine are slower: it must not have finished when it is killed.
    while min(sweep.iterations.values()) >= 10 * EVERY and not Path(sys.argv[4]).exists():
        time.sleep(0.05)
sweep.driver("finished")
"""


@pytest.fixture
def sweep(tmp_path: Path) -> StoredSweep:
    return StoredSweep(tmp_path / "results")


def mirrored(sweep: StoredSweep, *arguments: str) -> int:
    return mirror.main(["demo", "--results", str(sweep.store.root), *arguments])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["demo"], "the following arguments are required: --to"),
        (["demo", "--to", "neptune"], "invalid choice: 'neptune'"),
        (["dem", "--to", "tensorboard"], "unknown sweep 'dem'; did you mean: demo?"),
        (["demo", "--to", "tensorboard", "--at", "s3://x/y"], "to a folder, not to 's3://x/y'"),
    ],
)
def test_bad_input_is_one_line(
    sweep: StoredSweep, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert mirror.main([*arguments, "--results", str(sweep.store.root)]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert not (Path(sweep.store.root) / "mirrors").exists()


def test_a_sweep_is_mirrored_twice_and_is_there_once(
    sweep: StoredSweep, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorboard")
    sweep.evaluate(0, 3)
    arguments = ("--to", "tensorboard", "--at", str(tmp_path / "runs"))
    for n_points in (3, 0):
        assert mirrored(sweep, *arguments) == 0
        assert f"mirror: {n_points} new points at {tmp_path}" in capsys.readouterr().err
    assert scalars(tmp_path / "runs", 0) == expected(sweep, 0)


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    tracker = Recorder()
    monkeypatch.setattr(mirror, "open_tracker", lambda name, address, sweep: tracker)
    return tracker


def test_it_follows_until_the_sweep_has_finished(
    sweep: StoredSweep, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep.driver("interrupted")
    sweep.evaluate(0)
    steps = iter(["running", "lost", "finished"])

    def sleep(seconds: float) -> None:
        sweep.evaluate(0)
        sweep.driver(next(steps))

    monkeypatch.setattr(mirror.mirror, "__kwdefaults__", {"sleep": sleep})
    assert mirrored(sweep, "--to", "mlflow", "--follow") == 0
    assert [iterations for _, iterations, _, _ in recorder.sent] == [[0], [50], [100], [150]]


def test_a_tracker_that_stays_away_is_given_up(
    sweep: StoredSweep,
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(mirror, "LAST_TRIES_SECONDS", 0.1)
    monkeypatch.setattr(mirror, "LOOK_SECONDS", 0.2)
    recorder.errors = [Away("refused") for _ in range(9)]
    sweep.evaluate(0)
    assert mirrored(sweep, "--to", "mlflow") == 4
    error = capsys.readouterr().err
    assert "recorder is away: refused; trying again" in error
    assert "1 trials are not sent: the same command sends them" in error


def test_a_refused_trial_shows_in_the_exit_code_and_in_json(
    sweep: StoredSweep, recorder: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    recorder.errors = [Refused("403")]
    sweep.evaluate(0)
    assert mirrored(sweep, "--to", "mlflow", "--json") == 3
    assert json.loads(capsys.readouterr().out) == {
        "sweep": "demo",
        "place": recorder.place,
        "points": 0,
        "refused": ["t0"],
        "unsent": [],
    }


def test_one_process_mirrors_at_a_time(
    sweep: StoredSweep, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep.evaluate(0)
    own = sweep.follower(recorder).marks
    own.tracker = "mlflow"
    other = acquire(sweep.store, f"{own.name}.owner.json")
    assert other is not None
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        other.release()

    monkeypatch.setattr(mirror, "say", say)
    assert mirrored(sweep, "--to", "mlflow") == 0
    assert f"process {os.getpid()} on " in said[0]
    assert len(recorder.sent) == 1


def test_its_help_names_every_tracker(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        mirror.main(["--help"])
    text = capsys.readouterr().out
    assert all(name in text for name in opening.TRACKERS)


class Processes:
    """A driver and two mirrors, each of which is killed and started again."""

    def __init__(self, root: Path, places: dict[str, str]) -> None:
        self.root = root
        self.commands = {
            "driver": [
                "-c", DRIVER, str(root / "results"), str(EVALUATIONS), str(TRIALS),
                str(root / "all-killed"),
            ],
            **{
                name: ["-m", "sweep.mirror", "demo", "--to", name, "--at", place, "--follow",
                       "--results", str(root / "results")]
                for name, place in places.items()
            },
        }  # fmt: skip
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        with (self.root / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [sys.executable, *self.commands[name]], cwd=ROOT, stdout=log, stderr=log
            )

    def restart(self, name: str) -> None:
        process = self.running[name]
        assert process.poll() is None, (self.root / f"{name}.log").read_text()
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.start(name)

    def finish(self, name: str) -> None:
        assert self.running[name].wait(180) == 0, (self.root / f"{name}.log").read_text()


def wait_for_points(root: Path, tracker: str, n: int) -> None:
    """Until the mirror's marks of the first trial are so far."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for path in (root / "results/mirrors").glob(f"demo.{tracker}-*.json"):
            if path.name.endswith(".owner.json"):
                continue
            mark: dict[str, Any] = json.loads(path.read_text())["trials"].get("t0", {})
            if mark.get("through", -1) >= n * EVERY:
                return
        time.sleep(0.05)
    raise AssertionError((root / f"{tracker}.log").read_text())


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.filterwarnings("default")
def test_no_point_is_doubled_or_missing_over_kills(tmp_path: Path) -> None:
    for package in ("mlflow", "tensorboard"):
        pytest.importorskip(package)
    pause = random.Random(0).uniform
    with mlflow_server.serving(tmp_path) as address:
        places = {"mlflow": address, "tensorboard": str(tmp_path / "runs")}
        processes = Processes(tmp_path, places)
        try:
            processes.start("driver")
            wait_until_planned(tmp_path)
            for name in places:
                processes.start(name)
            for n in (1, 6):
                for name in places:
                    wait_for_points(tmp_path, name, n)
                time.sleep(pause(0.0, 0.5))
                for name in ("driver", *places):
                    processes.restart(name)
            (tmp_path / "all-killed").touch()
            for name in processes.commands:
                processes.finish(name)
        finally:
            for process in processes.running.values():
                process.kill()
                process.wait()
        assert_all_there(tmp_path, address)


def wait_until_planned(root: Path) -> None:
    deadline = time.monotonic() + 60
    while not (root / "results/sweeps/demo.parquet").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def assert_all_there(root: Path, address: str) -> None:
    sweep = StoredSweep(root / "results", TRIALS)
    sweep.iterations = dict.fromkeys(range(TRIALS), EVERY * (EVALUATIONS - 1))
    runs = mlflow_server.runs(address)
    assert sorted(runs) == ["t0", "t1"]
    for k in range(TRIALS):
        assert scalars(root / "runs", k) == expected(sweep, k)
        run = runs[f"t{k}"]
        stored = mlflow_server.points(address, run.info.run_id, NAMES)
        sent = {
            name: [(step, math.nan if math.isinf(v) else v) for step, v in values]
            for name, values in sweep.points(k).items()
        }
        assert repr(stored) == repr(sent)
        assert run.data.metrics["final/fd_digits"] == 7.0
        assert run.info.status == "FINISHED"
