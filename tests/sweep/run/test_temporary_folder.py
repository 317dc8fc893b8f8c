"""Room in Ray's temporary folder: a real file system that fills."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from sweep.plan.resources import Share
from sweep.run import ray_cluster
from sweep.run.queue import Backlog
from sweep.run.temporary_folder import check_room, folder, shortage
from trainer.config.lookup import UsageError
from trainer.config.trial import trial_config


def test_a_folder_with_room_and_one_without(small_disk: Path, tmp_path: Path) -> None:
    assert shortage(str(tmp_path)) is None
    words = shortage(str(small_disk))
    assert words is not None
    assert words.endswith("bytes are free")
    assert shortage(str(tmp_path / "nowhere")) is None


def test_where_ray_would_start(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(small_disk))
    assert folder() == str(small_disk)
    with pytest.raises(UsageError, match=f"{small_disk} has no room for Ray .*bytes are free"):
        check_room()
    with pytest.raises(UsageError, match="RAY_TMPDIR"):
        ray_cluster.connect()


def test_no_trial_is_handed_out_without_room(
    sweep_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests to the sweep are still obeyed, and the end is still told."""
    monkeypatch.setenv("RAY_TMPDIR", str(sweep_disk))
    trials = [trial_config("digits", "C_8-32", "sn", seed, iterations=2) for seed in range(2)]
    backlog = Backlog(trials, lambda config: Share(cpus=1.0, gpus=0.0))
    ticks: list[int] = []
    queue = ray_cluster._Queue(backlog, {}, lambda *end: None, lambda: ticks.append(1))
    assert queue.suggest("a") is not None
    backlog.release(trials[0].trial_id)
    with contextlib.suppress(OSError):
        (sweep_disk / "of somebody else").write_bytes(b"x" * 60 * 2**20)
    assert queue.suggest("b") is None
    assert ticks == [1]
    (sweep_disk / "of somebody else").unlink()
    assert queue.suggest("b") is not None
    (sweep_disk / "of somebody else").write_bytes(b"x" * 60 * 2**20)
    backlog.release(trials[1].trial_id)
    assert queue.suggest("c") == ray_cluster.Searcher.FINISHED
