"""Runs of somebody else's loop in a bucket: recorded there, gone on with, mirrored, published."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sweep import mirror
from sweep.recording import Run
from sweep.store.store import Store

ROOT = Path(__file__).parents[3]
EVALUATIONS = 4


def loop(root: str, seed: int, stop_after: int = EVALUATIONS) -> str:
    """A loop of four evaluations that goes on from its checkpoint; returns the run's id."""
    config = {"method": "theirs", "setting": "dcgan", "dataset": "faces", "seed": seed}
    options = {"name": "faces", "version": "1", "scores": {"fid": "lower"}}
    with Run(root, config=config, **options) as run:
        for k in range(run.start, EVALUATIONS):
            run.log(
                k,
                fid=50.0 - k - seed,
                gradient_norm=0.5 * k,
                spectra={"conv1": [1.0, 0.9], "conv2": [1.0, 0.5 / (k + 1)]},
                samples=np.full((4, 8, 8, 3), 60 * k, np.uint8),
            )
            run.save_checkpoint(b"state")
            if k + 1 == stop_after:
                raise KeyboardInterrupt
    return run.id


def test_a_run_in_a_bucket_goes_on_from_its_checkpoint(bucket_root: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        loop(bucket_root, 0, stop_after=2)
    trial_id = loop(bucket_root, 0, stop_after=99)
    store = Store(bucket_root)
    rows = store.read_rows("evaluations", trial_id)
    assert [(row["iteration"], row["fid"]) for row in rows] == [(k, 50.0 - k) for k in range(4)]
    assert [row["own_values"] for row in rows][2] == {"gradient_norm": 1.0}
    assert sorted(int(f.key) for f in store.list(f"samples/{trial_id}")) == [0, 1, 2, 3]
    (row,) = store.read_rows("trials", trial_id)
    assert (row["status"], row["best_fid"], row["dataset"]) == ("completed", 47.0, "faces")


def test_own_numbers_reach_another_tracker(bucket_root: str, tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    trial_id = loop(bucket_root, 1, stop_after=99)
    arguments = ["faces", "--to=tensorboard", f"--at={tmp_path}", f"--results={bucket_root}"]
    assert mirror.main(arguments) == 0
    events = accumulator.EventAccumulator(str(tmp_path / "faces" / trial_id), {"scalars": 0})
    events.Reload()
    own = events.Scalars("own_values/gradient_norm")
    assert [(event.step, event.value) for event in own] == [(k, 0.5 * k) for k in range(4)]
    assert [event.value for event in events.Scalars("fid")] == [49.0, 48.0, 47.0, 46.0]
    assert [event.value for event in events.Scalars("sigma2_ratio/1")] == pytest.approx(
        [0.5, 0.25, 0.5 / 3, 0.125]
    )


@pytest.mark.slow
def test_they_are_published_from_the_bucket(bucket_root: str, tmp_path: Path) -> None:
    trial_ids = [loop(bucket_root, seed, stop_after=99) for seed in (0, 1)]
    command = [sys.executable, "-m", "sweep.publish", "faces", str(tmp_path / "site")]
    done = subprocess.run(
        [*command, "--results", bucket_root], cwd=ROOT, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "site" / "index.html").read_text()
    names = {path.name for path in (tmp_path / "site").rglob("*") if path.is_file()}
    for trial_id in trial_ids:
        assert any(trial_id in name for name in names), trial_id
    assert "2 trials" in done.stdout
    assert "faces" in page
