"""Waits for other starts, on records of owners whose truth is known."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sweep.report.progress import progress_of
from sweep.run import foreign_owners
from sweep.run.foreign_owners import ForeignOwners
from sweep.store.store import Store
from trainer.config.trial import trial_config

TRIALS = [trial_config("digits", "C_8-32", "sn", seed, iterations=2) for seed in range(2)]
FIRST, SECOND = (config.trial_id for config in TRIALS)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic time, which the test sets."""
    now = [0.0]
    monkeypatch.setattr(foreign_owners, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


@pytest.fixture
def said() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def owners(tmp_path: Path, said: list[dict[str, Any]]) -> ForeignOwners:
    def show(event: str, **fields: Any) -> None:
        said.append({"event": event, **fields})

    return ForeignOwners(Store(tmp_path), progress_of(TRIALS, {}), show)


def own(store: Store, trial_id: str) -> None:
    owner = {"host": "far", "pid": 7, "attempt": "x", "heartbeat": datetime.now(UTC).isoformat()}
    store.write(f"claims/{trial_id}.json", json.dumps(owner).encode())


def test_what_nobody_owns_may_start(owners: ForeignOwners, said: list[dict[str, Any]]) -> None:
    assert owners.allow(FIRST)
    assert (owners.records(), said) == ([], [])


def test_a_wait_is_said_at_once_and_each_minute(
    owners: ForeignOwners, said: list[dict[str, Any]], clock: list[float]
) -> None:
    own(owners.store, FIRST)
    assert not owners.allow(FIRST)
    assert owners.allow(SECOND)
    assert (said[0]["event"], said[0]["trial_id"]) == ("waiting", FIRST)
    assert (said[0]["host"], said[0]["pid"]) == ("far", 7)
    assert 0 <= said[0]["silent_seconds"] < 60
    assert owners.progress.counts == {"waiting": 1, "planned": 1}
    (record,) = owners.records()
    assert (record["trial_id"], record["host"], record["pid"]) == (FIRST, "far", 7)
    for clock[0] in range(1, 130):
        owners.look()
    assert len(said) == 3
    assert owners.records()[0]["since"] == record["since"]


def test_looks_grow_rare_but_not_too_rare(
    owners: ForeignOwners, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    own(owners.store, FIRST)
    looks: list[float] = []
    look = foreign_owners.live_owner
    monkeypatch.setattr(
        foreign_owners, "live_owner", lambda *of: looks.append(clock[0]) or look(*of)
    )
    assert not owners.allow(FIRST)
    for clock[0] in range(1, 100):
        assert owners.look() == []
        assert not owners.allow(FIRST)
    assert looks[:4] == [0, 1, 3, 7]
    pauses = [after - before for before, after in pairwise(looks)]
    assert max(pauses) == foreign_owners.LONGEST_LOOK_SECONDS
    owners.store.delete(f"claims/{FIRST}.json")
    start = clock[0]
    while not owners.look():
        clock[0] += 1
    assert clock[0] - start <= foreign_owners.LONGEST_LOOK_SECONDS
    assert owners.progress.counts == {"planned": 2}
    assert owners.records() == []
    assert owners.allow(FIRST)


def test_workers_that_see_another_owner_are_not_started_every_second(
    owners: ForeignOwners, clock: list[float]
) -> None:
    """As where a file system shows a worker what the driver does not see any more."""
    starts = 0
    for clock[0] in range(100):
        owners.look()
        if owners.allow(FIRST):
            starts += 1
            owners.refuse(FIRST, {"host": "far", "pid": 7})
    assert starts < 15
    owners.forget(FIRST)
    assert owners.pauses == {}
    assert owners.allow(FIRST)


def test_the_sweeps_record_stays_small(owners: ForeignOwners) -> None:
    for n in range(100):
        owners.progress.add(trial_config("digits", "C_8-32", "sn", n, iterations=2), None)
    for trial_id in owners.progress.trials:
        owners.refuse(trial_id, {"host": "far", "pid": 7})
    assert len(owners.records()) == foreign_owners.MOST_IN_RECORD
    owners.forget_all()
    assert owners.records() == []
