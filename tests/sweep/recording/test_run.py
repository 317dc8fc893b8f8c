"""A run of anybody's loop: what it leaves, how it goes on, who may write it."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from sweep.recording import Run, RunEnded
from sweep.store import requests
from sweep.store.ownership import Superseded
from sweep.store.store import Store
from sweep.store.trial_ownership import record_path
from trainer.config.lookup import UsageError

ROOT = Path(__file__).parents[3]


def run(root: Path, config: dict[str, Any] | None = None, **options: Any) -> Run:
    return Run(root, name="loop", config=config, **{"version": "1", **options})


def failing(recorded: Run, error: BaseException) -> None:
    """A loop of three evaluations and a checkpoint that ends with an error."""
    with recorded:
        recorded.log(0, d_loss=1.0)
        recorded.log(10, d_loss=1.0)
        recorded.save_checkpoint(b"state at 10")
        recorded.log(20, d_loss=1.0)
        raise error


def taken_over(recorded: Run) -> None:
    with recorded:
        recorded.log(0, d_loss=1.0)
        Store(recorded.store.root).write(record_path(recorded.id), b'{"attempt": "other"}')
        recorded.log(1, d_loss=1.0)


def row_of(root: Path, trial_id: str) -> dict[str, Any]:
    (row,) = Store(root).read_rows("trials", trial_id)
    return dict(row)


def test_a_loop_that_ends_is_completed(tmp_path: Path) -> None:
    with run(tmp_path, {"method": "mine", "seed": 4}, scores=["fid"]) as recorded:
        for k in range(4):
            recorded.log(k, fid=10.0 - k, samples=b"\x89PNG\r\n\x1a\n...")
            assert not recorded.should_stop
    row = row_of(tmp_path, recorded.id)
    assert (row["profile"], row["status"]) == ("own", "completed")
    assert (row["method"], row["seed"]) == ("mine", 4)
    assert (row["iteration"], row["iterations"], row["best_fid"], row["objective"]) == (3, 3, 7, 7)
    assert row["batch_size"] is None
    assert row["healthy"] is None
    assert set(json.loads(row["not_judged"])) == {"mode_collapse", "spectral_collapse", "dead"}
    store = Store(tmp_path)
    assert [file.key for file in store.list(f"samples/{recorded.id}")] == ["0", "1", "2", "3"]
    (planned,) = store.read_rows("sweeps", "loop")
    assert planned["trial_id"] == recorded.id
    assert store.read(record_path(recorded.id)) is None


def test_it_imports_neither_torch_nor_ray() -> None:
    code = "import sys, sweep.recording; print({'torch', 'ray', 'pandas'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert out.stdout.strip() == "set()", out.stderr


def test_nan_is_recorded_and_ends_a_run_as_diverged(tmp_path: Path) -> None:
    with run(tmp_path) as recorded:
        recorded.log(0, d_loss=1.0)
        recorded.log(1, d_loss=math.nan)
        assert recorded.should_stop
    row = row_of(tmp_path, recorded.id)
    assert (row["status"], row["stop_reason"], row["diverged_at"]) == ("collapsed", "diverged", 1)
    assert math.isnan(Store(tmp_path).read_rows("evaluations", recorded.id)[1]["d_loss"])


def collapse(recorded: Run) -> int:
    """Logs spectra that collapse until the run says so; returns the last iteration."""
    for k in range(16):
        low = 1.0 if k < 3 else 0.1
        recorded.log(k, spectra={"a": [1.0] + [low] * 7, "b": [1.0] + [low] * 7})
        if recorded.should_stop:
            return k
    return -1


def test_a_spectrum_that_collapses_stops_the_loop(tmp_path: Path) -> None:
    with run(tmp_path) as recorded:
        assert collapse(recorded) == 11  # 8 evaluations after the first bad one
    row = row_of(tmp_path, recorded.id)
    assert (row["status"], row["stop_reason"]) == ("collapsed", "spectral collapse")
    assert row["spectral_collapse_at"] == 3
    assert row["layer_names"] == ["a", "b"]


def test_a_loop_goes_on_past_a_collapse_if_it_is_asked_to(tmp_path: Path) -> None:
    with run(tmp_path, stop_on_collapse=False) as recorded:
        assert collapse(recorded) == -1
    assert row_of(tmp_path, recorded.id)["status"] == "completed"


def test_a_run_that_has_ended_is_not_begun_again(tmp_path: Path) -> None:
    with run(tmp_path) as recorded:
        recorded.log(0, d_loss=1.0)
    with pytest.raises(RunEnded, match=r"has ended \(completed at iteration 0\).*fresh=True"):
        run(tmp_path)
    with run(tmp_path, fresh=True) as again:
        assert again.last_iteration is None
        again.log(7, d_loss=2.0)
    assert again.id == recorded.id
    assert [r["iteration"] for r in Store(tmp_path).read_rows("evaluations", again.id)] == [7]


def test_an_error_is_recorded_and_the_next_start_goes_on(tmp_path: Path) -> None:
    recorded = run(tmp_path)
    with pytest.raises(ZeroDivisionError):
        failing(recorded, ZeroDivisionError("no luck"))
    row = row_of(tmp_path, recorded.id)
    assert (row["status"], row["failures"]) == ("failed", 1)
    assert "no luck" in row["traceback"]
    with run(tmp_path) as again:
        assert again.latest_checkpoint() == (10, b"state at 10")
        assert again.start == 11
        assert again.last_iteration == 20
        for iteration in (12, 22):
            again.log(iteration, d_loss=2.0)
    rows = Store(tmp_path).read_rows("evaluations", again.id)
    assert [r["iteration"] for r in rows] == [0, 10, 12, 22]
    row = row_of(tmp_path, again.id)
    assert (row["status"], row["failures"], row["traceback"]) == ("completed", 1, None)


def test_an_interrupted_loop_is_stopped(tmp_path: Path) -> None:
    recorded = run(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        failing(recorded, KeyboardInterrupt())
    assert row_of(tmp_path, recorded.id)["status"] == "stopped"


def test_the_newest_two_checkpoints_are_kept(tmp_path: Path) -> None:
    with run(tmp_path) as recorded:
        with pytest.raises(UsageError, match="call log"):
            recorded.save_checkpoint(b"too early")
        for k in range(4):
            recorded.log(k, d_loss=1.0)
            recorded.save_checkpoint(bytes([k]))
    files = Store(tmp_path).list(f"checkpoints/{recorded.id}")
    assert sorted(int(file.key) for file in files) == [2, 3]


def test_a_request_to_stop_reaches_the_loop(tmp_path: Path) -> None:
    with run(tmp_path) as recorded:
        recorded.log(0, d_loss=1.0)
        assert not recorded.should_stop
        requests.ask(Store(tmp_path), "loop", requests.STOP_TRIAL, recorded.id)
        recorded.log(1, d_loss=1.0)
        assert recorded.should_stop
    assert row_of(tmp_path, recorded.id)["status"] == "stopped"


def test_one_process_writes_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweep.recording.run.OWNER_SECONDS", 0.1)
    with run(tmp_path), pytest.raises(UsageError, match="is being recorded by process"):
        run(tmp_path)


def test_a_run_that_was_taken_over_writes_nothing_more(tmp_path: Path) -> None:
    recorded = run(tmp_path)
    with pytest.raises(Superseded):
        taken_over(recorded)
    assert row_of(tmp_path, recorded.id)["status"] == "running"


def test_a_killed_loop_goes_on_at_once(tmp_path: Path) -> None:
    script = tmp_path / "loop.py"
    script.write_text(
        textwrap.dedent(
            """
            import os, signal, sys
            from sweep.recording import Run
            with Run(sys.argv[1], name="loop") as run:
                print(run.last_iteration, flush=True)
                run.log((run.last_iteration or 0) + 1, d_loss=1.0)
                if len(sys.argv) > 2:
                    os.kill(os.getpid(), signal.SIGKILL)
            """
        )
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(script), str(tmp_path / "results")]
    killed = subprocess.run([*command, "kill"], env=environment, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    again = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert again.stdout.strip() == "1", again.stderr
    store = Store(tmp_path / "results")
    (file,) = store.list("trials")
    assert [r["iteration"] for r in store.read_rows("evaluations", file.key)] == [1, 2]
    assert row_of(tmp_path / "results", file.key)["status"] == "completed"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "a/b"}, "name 'a/b' may hold letters"),
        ({"name": "a.study"}, "ends like a file"),
        ({"config": {"x": object()}}, r"config\['x'\]"),
        ({"scores": ["ssim"]}, "of score 'ssim' it is not known"),
        ({"scores": {"ssim": "up"}}, "lower or higher is better"),
    ],
)
def test_bad_input_leaves_no_store(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Run(tmp_path / "none", **{"name": "loop", "version": "1", **options})
    assert not (tmp_path / "none").exists()


def test_code_without_a_file_has_to_name_its_version(tmp_path: Path) -> None:
    code = "from sweep.recording import Run; Run('none', name='x')"
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert "give version='1'" in result.stderr
    assert not (tmp_path / "none").exists()


def test_the_source_that_calls_is_the_version(tmp_path: Path) -> None:
    with Run(tmp_path, name="loop") as recorded:
        pass
    assert recorded.trial.version.startswith("sha256:")
