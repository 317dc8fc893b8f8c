"""Entry of recorded runs in the plan of their sweep."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from sweep.recording.plan_entry import enter_plan
from sweep.store.ownership import acquire
from sweep.store.store import Store
from trainer.config.lookup import UsageError
from trainer.config.own_trial import OwnTrial


def own(seed: int) -> OwnTrial:
    return OwnTrial(name="x", config={"seed": seed}, version="1")


def test_runs_that_begin_together_all_stand_in_the_plan(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda seed: enter_plan(store, "x", own(seed % 8)), range(16)))
    rows = store.read_rows("sweeps", "x")
    assert sorted(row["seed"] for row in rows) == list(range(8))
    assert [row["position"] for row in rows] == list(range(8))


def test_the_plan_of_a_driver_at_work_is_left_alone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    driver = acquire(store, "sweeps/x.json", sweep="x")
    assert driver is not None
    with pytest.raises(UsageError, match="sweep 'x' is being run by process"):
        enter_plan(store, "x", own(0))
    driver.release("finished")
    enter_plan(store, "x", own(0))
    assert store.read("sweeps/x.json") is not None  # what the driver has said stands


def test_the_plan_of_another_kind_is_left_alone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    row: dict[str, Any] = {"trial_id": "a", "sweep": "x", "position": 0, "profile": "digits"}
    store.write_rows("sweeps", "x", [row])
    with pytest.raises(UsageError, match="has trials of this project, for example a"):
        enter_plan(store, "x", own(0))
