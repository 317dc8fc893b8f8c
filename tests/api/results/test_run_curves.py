"""Curves of runs as they are stored, and their places on every x axis."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from api.reading.snapshot import Snapshot
from api.results.run_curves import NOTHING, RunCurve, positions, run_curves
from sweep.store.store import Store
from tests.api.stores import PERIOD, curve, identity, write_diverged, write_trial

CURVE = RunCurve(iterations=[0, 10], seconds=[1.0, 3.0], values=[5.0, 4.0])


def record(device: str = "cuda", gpus: float | None = 0.25, **config: Any) -> dict[str, Any]:
    return {
        "batch_size": 64,
        "gpus": gpus,
        "config": json.dumps({"n_critic": 5, "device": device} | config),
    }


def test_an_image_counts_each_time_that_d_sees_it() -> None:
    assert positions(record(), CURVE, "iteration") == [0, 10]
    assert positions(record(), CURVE, "images") == [0, 10 * 5 * 64]


def test_a_share_of_a_gpu_counts_as_that_share() -> None:
    assert positions(record(), CURVE, "seconds") == [1, 3]
    assert positions(record(), CURVE, "gpu_hours") == pytest.approx([0.25 / 3600, 0.75 / 3600])
    assert positions(record(gpus=None), CURVE, "gpu_hours") == pytest.approx([1 / 3600, 3 / 3600])


def test_what_is_not_stored_is_no_place() -> None:
    assert positions(record(device="cpu"), CURVE, "gpu_hours") is None
    assert positions(record() | {"config": None}, CURVE, "images") is None
    assert positions(record() | {"batch_size": None}, CURVE, "images") is None
    timeless = RunCurve(iterations=[0, 10], seconds=[1.0, math.nan], values=[5.0, 4.0])
    assert positions(record(), timeless, "seconds") is None
    assert positions(record(), timeless, "iteration") == [0, 10]


def snapshot_of_nothing() -> Snapshot:
    return Snapshot("id", True, (), {}, {}, {}, {})


def test_stored_values_are_read_as_they_are(tmp_path: Path) -> None:
    store = Store(tmp_path)
    sound, diverged, damaged, absent = (identity("C_32-32", "sr-static", k) for k in range(4))
    write_trial(store, sound)
    write_diverged(store, diverged)
    write_trial(store, damaged)
    store.write(f"evaluations/{damaged['trial_id']}.parquet", b"no table")
    found = run_curves(
        store, snapshot_of_nothing(), [sound, diverged, damaged, absent], "fd_digits"
    )
    stored = curve(sound, found[0].iterations[-1])
    assert [*found[0].values] == [row["fd_digits"] for row in stored]
    assert [*found[0].seconds] == [row["seconds"] for row in stored]
    assert found[0].iterations[1] == PERIOD
    assert math.isnan(found[1].values[-1])
    assert found[2:] == [NOTHING, NOTHING]
    assert [*run_curves(store, snapshot_of_nothing(), [sound], "fid")[0].values] == []
