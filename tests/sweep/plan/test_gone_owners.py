"""Ownership that a killed process left behind, at the next start."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sweep.plan.gone_owners import settle_gone
from sweep.store.ownership import acquire, read_owner
from sweep.store.processes import own_record
from sweep.store.store import Store


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return Store(tmp_path / "results")
    return Store(request.getfixturevalue("bucket_root"))


def leave(store: Store, trial_id: str, status: str, **changes: Any) -> None:
    store.write_rows("trials", trial_id, [{"trial_id": trial_id, "status": status, "failures": 1}])
    record = own_record() | {"attempt": "x" * 12, "heartbeat": datetime.now(UTC).isoformat()}
    store.write(f"claims/{trial_id}.json", json.dumps(record | changes).encode())


def test_only_what_is_seen_to_be_gone_ends(store: Store) -> None:
    leave(store, "killed", "running", pid_started=1)
    leave(store, "killed-at-its-end", "collapsed", pid_started=1)
    leave(store, "elsewhere", "running", host="elsewhere")
    owned = acquire(store, "claims/live.json")
    assert owned is not None
    store.write_rows("trials", "live", [{"trial_id": "live", "status": "running"}])
    assert settle_gone(store) == ["killed", "killed-at-its-end"]
    assert settle_gone(store) == []
    rows = store.read_all("trials", ["killed", "killed-at-its-end", "elsewhere", "live"])
    assert [row["status"] for row in rows.values()] == [
        "stopped",
        "collapsed",
        "running",
        "running",
    ]
    assert rows["killed"]["failures"] == 1
    assert read_owner(store, "claims/killed.json") is None
    assert read_owner(store, "claims/elsewhere.json") is not None
    owned.check()
    owned.release()
