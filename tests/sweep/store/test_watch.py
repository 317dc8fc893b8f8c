"""What a contender has seen of a record, by its own watch."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from sweep.store import watch
from sweep.store.store import Store
from sweep.store.watch import forget, remember, seconds_unchanged, sighting

PATH = "claims/a.json"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock.monotonic)
    monkeypatch.setattr(watch, "_sightings", {})
    return clock


def test_the_time_since_the_last_change(clock: Clock, tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert sighting(store, PATH) is None
    assert seconds_unchanged(store, PATH, {"beat": 1}) == 0
    clock.now += 40
    assert seconds_unchanged(store, PATH, {"beat": 1}) == 40
    assert seconds_unchanged(store, PATH, {"beat": 2}) == 0
    clock.now += 70
    assert seconds_unchanged(Store(tmp_path), PATH, {"beat": 2}) == 70
    assert seconds_unchanged(store, "claims/b.json", {"beat": 2}) == 0
    forget(store, PATH)
    assert seconds_unchanged(store, PATH, {"beat": 2}) == 0


def test_another_process_goes_on_with_what_one_saw(
    clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    seconds_unchanged(store, PATH, {"beat": 1})
    clock.now += 40
    seen = sighting(store, PATH)
    assert seen is not None
    assert seen["seconds"] == 40
    monkeypatch.setattr(watch, "_sightings", {})
    clock.now = 3.0  # its watch begins elsewhere
    remember(store, PATH, seen)
    clock.now += 5
    assert seconds_unchanged(store, PATH, {"beat": 1}) == 45
    remember(store, PATH, {**seen, "seconds": 1.0})
    assert seconds_unchanged(store, PATH, {"beat": 1}) == 45, "it has seen it for longer"
    assert seconds_unchanged(store, PATH, {"beat": 2}) == 0
    remember(store, PATH, seen)
    assert seconds_unchanged(store, PATH, {"beat": 2}) == 0
