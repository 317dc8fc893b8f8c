from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sweep.store.ownership import acquire
from sweep.store.processes import own_record
from sweep.store.store import Store
from sweep.store.trial_ownership import (
    acquire_within,
    live_owner,
    owner_in_words,
    record_path,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def record(store: Store, **fields: Any) -> dict[str, Any]:
    owner = {"host": "far", "pid": 7, "attempt": "x", "heartbeat": datetime.now(UTC).isoformat()}
    store.write(record_path("t"), json.dumps(owner | fields).encode())
    return owner | fields


def test_who_owns_a_trial(store: Store) -> None:
    assert live_owner(store, "t") is None
    owner = record(store)
    assert live_owner(store, "t") == owner
    assert live_owner(store, "another") is None


def test_a_dead_owner_is_no_owner_and_its_record_goes(store: Store) -> None:
    record(store, **own_record() | {"pid_started": 1})
    assert live_owner(store, "t") is None
    assert store.list("claims") == []


def test_a_live_owner_is_waited_for_a_short_time(store: Store) -> None:
    ownership = acquire(store, record_path("t"))
    assert ownership is not None
    start = time.monotonic()
    assert acquire_within(store, "t", 0.5) is None
    assert time.monotonic() - start >= 0.5
    threading.Timer(0.5, ownership.release).start()
    second = acquire_within(store, "t", 60)
    assert second is not None
    second.release()


def test_an_owner_is_named_with_its_host_and_age() -> None:
    earlier = (datetime.now(UTC) - timedelta(seconds=12)).isoformat()
    owner = {"host": "far", "pid": 7, "heartbeat": earlier}
    assert owner_in_words(owner) == "process 7 on far (last sign of life 12 s ago)"
    later = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    assert "(last sign of life 0 s ago)" in owner_in_words(owner | {"heartbeat": later})
    for nonsense in (None, 5, "never", "2026-01-01"):
        assert owner_in_words(owner | {"heartbeat": nonsense}) == "process 7 on far"
    assert owner_in_words({}) == "another start"
