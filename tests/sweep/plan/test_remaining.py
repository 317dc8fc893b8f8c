from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sweep.plan.grid import grid
from sweep.plan.remaining import (
    check_name,
    default_name,
    erase,
    is_done,
    own_files,
    results_root,
    settle,
    to_run,
)
from sweep.run.rows import plan_rows
from sweep.store.filesystems import without_secrets
from sweep.store.ownership import acquire
from sweep.store.processes import own_record
from sweep.store.store import Store
from trainer.config.lookup import UsageError

PLAN = grid("digits", ["C_8-32", "C_16-32"], ["sn"], [0])
FIRST, SECOND = (config.trial_id for config in PLAN.trials)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.mark.parametrize(
    ("status", "diverged_at", "with_stop", "without"),
    [
        ("completed", None, True, True),
        ("collapsed", None, True, False),
        ("collapsed", 75, True, True),
        ("running", None, False, False),
        ("stopped", None, False, False),
        ("failed", None, False, False),
    ],
)
def test_what_is_done(
    status: str, diverged_at: int | None, with_stop: bool, without: bool
) -> None:
    row = {"status": status, "diverged_at": diverged_at}
    assert is_done(row, stop_on_collapse=True) is with_stop
    assert is_done(row, stop_on_collapse=False) is without
    assert not is_done(None, stop_on_collapse=True)


def test_what_is_missing_is_run_in_the_plans_order() -> None:
    rows = {FIRST: {"status": "completed", "diverged_at": None}}
    assert to_run(PLAN, rows, stop_on_collapse=True, fresh=False) == PLAN.trials[1:]
    assert to_run(PLAN, rows, stop_on_collapse=True, fresh=True) == PLAN.trials


def test_a_plan_has_a_name_of_its_own() -> None:
    other = grid("digits", ["C_8-32"], ["sn"], [0])
    assert default_name("table1", PLAN) == default_name("table1", PLAN)
    assert default_name("table1", PLAN) != default_name("table1", other)
    assert default_name("table1", PLAN).startswith("table1-digits-")


def test_a_name_may_grow_and_not_shrink(store: Store) -> None:
    small = grid("digits", ["C_8-32"], ["sn"], [0])
    store.write_rows("sweeps", "s", plan_rows("s", small.trials))
    check_name(store, "s", PLAN)
    store.write_rows("sweeps", "s", plan_rows("s", PLAN.trials))
    with pytest.raises(UsageError, match="1 trials that are not in this plan"):
        check_name(store, "s", small)


def test_a_trials_own_files_are_removed_and_no_others(store: Store) -> None:
    for trial_id in (FIRST, SECOND):
        store.write_rows("trials", trial_id, [{"trial_id": trial_id}])
        store.write_rows("outputs", trial_id, [{"trial_id": trial_id, "iteration": 0}])
        store.write(f"samples/{trial_id}/0.png", b"1")
    kept = own_files(store, [SECOND])
    said: list[str] = []
    erase(store, PLAN.trials[:1], said.append)
    assert said == [f"removing the 3 files of {FIRST}"]
    assert own_files(store, [FIRST, SECOND]) == kept
    assert store.list("claims") == []


def test_a_trial_left_running_is_settled(store: Store) -> None:
    row = {"trial_id": FIRST, "status": "running", "iteration": 75}
    store.write_rows("trials", FIRST, [row])
    store.write_rows("trials", SECOND, [row | {"trial_id": SECOND, "status": "completed"}])
    settle(store, PLAN.trials, "failed", {FIRST: "the worker died"})
    rows = store.read_all("trials", [FIRST, SECOND])
    assert (rows[FIRST]["status"], rows[FIRST]["traceback"]) == ("failed", "the worker died")
    assert rows[FIRST]["iteration"] == 75
    assert rows[FIRST]["updated_at"].date() == datetime.now(UTC).date()
    assert rows[SECOND]["status"] == "completed"
    assert store.list("claims") == []


def test_of_trials_known_to_have_ended_no_row_is_read(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for trial_id in (FIRST, SECOND):
        store.write_rows("trials", trial_id, [{"trial_id": trial_id, "status": "running"}])
    paths: list[str] = []
    read = Store.read
    monkeypatch.setattr(Store, "read", lambda s, path: paths.append(path) or read(s, path))
    settle(store, PLAN.trials, "stopped", {}, {SECOND})
    assert store.read_rows("trials", FIRST)[0]["status"] == "stopped"
    assert f"trials/{SECOND}.parquet" not in paths


def test_trials_that_have_not_begun_cost_no_request(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a bucket each took a request, one after the other, while who interrupted waited."""
    requests: list[str] = []
    for name in ("read", "list", "write"):
        method = getattr(Store, name)

        def noted(s: Store, path: str, *rest: object, method: Any = method) -> Any:
            # A service of another test may look at its own store meanwhile.
            if s.root == store.root:
                requests.append(path)
            return method(s, path, *rest)

        monkeypatch.setattr(Store, name, noted)
    paths: list[set[str]] = []
    for seeds in (1, 260):
        trials = grid("digits", ["C_8-32"], ["sn", "sr-static"], range(seeds)).trials
        (running,) = [c.trial_id for c in trials if (c.method, c.seed) == ("sn", 0)]
        store.write_rows("trials", running, [{"trial_id": running, "status": "running"}])
        requests.clear()
        settle(store, trials, "stopped", {})
        paths.append(set(requests))
        assert store.read_rows("trials", running)[0]["status"] == "stopped"
    assert paths[0] == paths[1] != set()


def test_a_dead_ownership_ends_whatever_its_trial_came_to(store: Store) -> None:
    """A process can be killed after its last row, or before its first."""
    store.write_rows("trials", FIRST, [{"trial_id": FIRST, "status": "completed"}])
    dead = own_record() | {"pid": 0, "pid_started": 1, "attempt": "a"}
    dead["heartbeat"] = datetime.now(UTC).isoformat()
    for trial_id in (FIRST, SECOND):
        store.write(f"claims/{trial_id}.json", json.dumps(dead).encode())
    settle(store, PLAN.trials, "stopped", {})
    assert store.list("claims") == []
    assert store.read_rows("trials", FIRST)[0]["status"] == "completed"
    assert store.read_rows("trials", SECOND) == []


def test_a_trial_that_another_process_runs_is_left_alone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write_rows("trials", FIRST, [{"trial_id": FIRST, "status": "running"}])
    ownership = acquire(store, f"claims/{FIRST}.json")
    assert ownership is not None
    monkeypatch.setattr("sweep.plan.remaining.PATIENCE_SECONDS", 0.1)
    owners = settle(store, PLAN.trials[:1], "stopped", {})
    assert {trial_id: owner["pid"] for trial_id, owner in owners.items()} == {FIRST: os.getpid()}
    assert store.read_rows("trials", FIRST)[0]["status"] == "running"
    ownership.release()


def test_who_removes_files_says_for_whom_it_waits(store: Store) -> None:
    store.write(f"samples/{FIRST}/0.png", b"1")
    ownership = acquire(store, f"claims/{FIRST}.json")
    assert ownership is not None
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        if "waiting for its end" in text:
            ownership.release()

    erase(store, PLAN.trials[:1], say)
    assert len(said) == 2
    assert said[1].startswith(f"{FIRST} is being trained by process {os.getpid()} on ")
    assert own_files(store, [FIRST]) == {}


def test_where_results_go(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SWEEP_RESULTS", "RAY_JOB_ID", "RAY_JOB_CONFIG_JSON_ENV_VAR"):
        monkeypatch.delenv(name, raising=False)
    assert results_root("here") == "here"
    assert results_root(None) == "results"
    monkeypatch.setenv("SWEEP_RESULTS", "/there")
    assert results_root(None) == "/there"
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    assert results_root(None) == "/there"
    assert results_root("s3://bucket/x") == "s3://bucket/x"
    monkeypatch.delenv("SWEEP_RESULTS")
    assert results_root(None) is None
    with pytest.raises(UsageError, match="absolute path"):
        results_root("here")


def test_an_access_key_is_not_told() -> None:
    command = "table1 --results 's3://KEY:SECRET@bucket/x' --name a@b"
    assert without_secrets(command) == "table1 --results 's3://bucket/x' --name a@b"
    assert without_secrets("/home/a@b/results") == "/home/a@b/results"


def test_a_trial_that_a_rung_stopped_is_done_where_rungs_stop() -> None:
    row = {"status": "stopped", "diverged_at": None, "rung": 1}
    assert is_done(row, stop_on_collapse=True, stop_at_rungs=True)
    assert not is_done(row, stop_on_collapse=True)
    assert not is_done(row | {"rung": None}, stop_on_collapse=True, stop_at_rungs=True)
    assert not is_done(row | {"status": "running"}, stop_on_collapse=True, stop_at_rungs=True)
