"""Planned trials whose files have changed, each read once for each change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sweep.report.changed_trials import ChangedTrials
from sweep.store.store import Store

COLUMNS = ("trial_id", "status")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    rows = [{"sweep": "demo", "position": k, "trial_id": f"t{k}"} for k in range(2)]
    store.write_rows("sweeps", "demo", rows)
    return store


def write(store: Store, trial_id: str, status: str, age: float = 0.0) -> None:
    store.write_rows("trials", trial_id, [{"trial_id": trial_id, "status": status}])
    make_older(store, trial_id, age)


def make_older(store: Store, trial_id: str, seconds: float) -> None:
    path = Path(store.root) / f"trials/{trial_id}.parquet"
    moment = path.stat().st_mtime - seconds
    os.utime(path, (moment, moment))


def read(changes: ChangedTrials) -> list[tuple[str, str | None]]:
    return [
        (one.file.key, one.rows[0]["status"] if one.rows else one.problem)
        for one in changes.read()
    ]


def test_a_change_is_read_once(store: Store) -> None:
    changes = ChangedTrials(store, "demo", COLUMNS)
    assert read(changes) == []
    write(store, "t0", "running", age=60)
    write(store, "t7", "running", age=60)  # of another sweep
    assert read(changes) == [("t0", "running")]
    assert read(changes) == []
    write(store, "t0", "completed", age=30)
    assert read(changes) == [("t0", "completed")]


def test_a_young_file_is_read_again(store: Store) -> None:
    changes = ChangedTrials(store, "demo", COLUMNS)
    write(store, "t0", "running")
    assert read(changes) == read(changes) == [("t0", "running")]


def test_what_cannot_be_used_is_said_once(store: Store) -> None:
    changes = ChangedTrials(store, "demo", COLUMNS)
    store.write("trials/t0.parquet", b"no file")
    make_older(store, "t0", 60)
    ((key, problem),) = read(changes)
    assert (key, bool(problem)) == ("t0", True)
    assert read(changes) == []


def test_a_plan_that_grows_is_read_again(store: Store) -> None:
    changes = ChangedTrials(store, "demo", COLUMNS)
    changes.read_plan()
    assert changes.planned == {"t0", "t1"}
    store.write_rows("sweeps", "demo", [{"sweep": "demo", "position": 0, "trial_id": "t7"}])
    changes.read_plan()
    assert changes.planned == {"t7"}


def test_a_plan_that_cannot_be_read_is_named(store: Store) -> None:
    changes = ChangedTrials(store, "demo", COLUMNS)
    store.write("sweeps/demo.parquet", b"no file")
    assert read(changes) == []
    assert changes.plan_problem is not None
    assert changes.plan_problem.startswith("cannot read sweeps/demo.parquet: ")
