"""Trackio's own database, read by Trackio; where the package is absent these are skipped."""

from __future__ import annotations

import importlib
import json
import math
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from sweep.mirrors.trackio import Trackio
from tests.sweep.mirrors.stored_sweep import NAMES, StoredSweep, mirror_once, picture


@pytest.fixture
def tracker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trackio:
    pytest.importorskip("trackio", reason="trackio is not installed: pip install trackio")
    names = ("utils", "sqlite_storage", "media.media")
    modules = {name: importlib.import_module(f"trackio.{name}") for name in names}
    # The package reads its folder once, when it is imported.
    for name in ("utils", "sqlite_storage"):
        monkeypatch.setattr(modules[name], "TRACKIO_DIR", tmp_path / "trackio")
    for name in ("utils", "media.media"):
        monkeypatch.setattr(modules[name], "MEDIA_DIR", tmp_path / "trackio/media")
    (tmp_path / "trackio").mkdir()
    return Trackio("demo", tmp_path / "trackio")


def rows(tracker: Trackio, k: int) -> list[tuple[int, dict[str, Any]]]:
    with sqlite3.connect(tracker.folder / "demo.db") as connection:
        stored = connection.execute(
            "SELECT step, metrics FROM metrics WHERE run_name = ? ORDER BY id", (f"t{k}",)
        )
        return [(step, json.loads(text)) for step, text in stored]


def points(tracker: Trackio, k: int) -> dict[str, list[tuple[int, float]]]:
    return {
        name: [(step, float(values[name])) for step, values in rows(tracker, k) if name in values]
        for name in NAMES
    }


def test_each_point_is_there_once_also_in_doubt(sweep: StoredSweep, tracker: Trackio) -> None:
    follower = sweep.follower(tracker)
    for k in (0, 1, 0, 0):
        sweep.evaluate(k)
        mirror_once(follower)
    sweep.write(0, status="completed", final_fd_digits=math.inf)
    mirror_once(follower)
    follower.marks.by_trial.clear()
    follower.marks.doubt(["t0", "t1"])
    mirror_once(sweep.follower(tracker))
    tracker.close()
    for k in (0, 1):
        assert repr(points(tracker, k)) == repr(sweep.points(k))
    values = rows(tracker, 0)
    assert values[2][1]["reverse_kl"] == "NaN"
    assert values[3][1]["d_loss"] == "-Infinity"
    assert values[-1] == (100, {"final/fd_digits": "Infinity"})


def test_configuration_spectra_and_samples(sweep: StoredSweep, tracker: Trackio) -> None:
    storage = importlib.import_module("trackio.sqlite_storage").SQLiteStorage
    sweep.evaluate(0)
    mirror_once(sweep.follower(tracker))
    sweep.write(0, status="collapsed", dead_at=0, healthy=False)
    mirror_once(sweep.follower(tracker))
    config = storage.get_run_config("demo", "t0")
    assert config is not None
    assert (config["channels"], config["verdict"]) == (16, "dead D at 0")
    (_, values) = rows(tracker, 0)[1]
    assert sum(values["spectrum/layer_0"]["values"]) == 3
    image = tracker.folder / "media" / values["samples"]["file_path"]
    assert image.read_bytes() == picture(0)
    tracker.close()
