"""Owners whose clock is not this one's."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sweep.store import owners
from sweep.store.owners import has_live_owner, owned_keys
from sweep.store.ownership import acquire
from sweep.store.processes import own_record
from sweep.store.store import Store

PATH = "sweeps/s.json"


def write_owner(store: Store, seconds_ago: float, **changes: Any) -> None:
    heartbeat = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    record = own_record() | {"attempt": "x", "heartbeat": heartbeat.isoformat()}
    store.write(PATH, json.dumps(record | changes).encode())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_who_beats_lives_whatever_its_clock_says(store: Store) -> None:
    write_owner(store, 3600, host="elsewhere")
    beat = threading.Timer(1, write_owner, (store, 3599), {"host": "elsewhere"})
    beat.start()
    assert has_live_owner(store, PATH)
    beat.join()


def test_who_is_silent_is_dead(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owners, "WATCHED_SECONDS", 1.0)
    write_owner(store, 3600, host="elsewhere")
    assert not has_live_owner(store, PATH)
    assert not has_live_owner(store, "sweeps/none.json")


@pytest.mark.parametrize(
    "changes", [{"pid_started": 1}, {"state": "finished"}, {"heartbeat": "never"}]
)
def test_nobody_watches_what_is_dead(
    store: Store, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owners, "WATCHED_SECONDS", 3600.0)
    write_owner(store, 3600, **changes)
    assert not has_live_owner(store, PATH)


def test_records_that_have_an_owner(bucket_root: str) -> None:
    store = Store(bucket_root)
    first, second = acquire(store, "claims/a.json"), acquire(store, "claims/b.json")
    assert first is not None
    assert second is not None
    first.release()
    assert owned_keys(store, "claims") == {"b"}
    second.release()
    assert owned_keys(store, "claims") == set()
    assert [file.key for file in store.list("claims")] == ["a", "b"]
