"""How a driver tells trials that are silent from trials that are gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweep.run import signs_of_life
from sweep.run.cluster_watch import ClusterLost
from sweep.run.signs_of_life import LIFELESS_SECONDS, LOOK_SECONDS, SignsOfLife
from sweep.store import retry
from sweep.store.ownership import acquire
from sweep.store.store import Store


class Clock:
    """The time of the module, and a look at every minute of it."""

    def __init__(self, store: Store) -> None:
        self.now = 0.0
        self.store = store

    def monotonic(self) -> float:
        return self.now

    def pass_by(self, signs: SignsOfLife, running: set[str], seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += LOOK_SECONDS
            signs.check(running)


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(Store(tmp_path))
    monkeypatch.setattr(signs_of_life, "time", clock)
    return clock


LONG = 3 * LIFELESS_SECONDS


def test_trials_without_an_owner_are_gone(clock: Clock) -> None:
    signs = SignsOfLife(clock.store)
    with pytest.raises(ClusterLost, match="by Ray 2 trials run, but no process"):
        clock.pass_by(signs, {"a", "b"}, LONG)
    assert clock.now == pytest.approx(LIFELESS_SECONDS, abs=2 * LOOK_SECONDS)


def test_trials_whose_owner_is_dead_are_gone(clock: Clock) -> None:
    signs = SignsOfLife(clock.store)
    clock.store.write("claims/a.json", b'{"heartbeat": "2026-01-01T00:00:00+00:00"}')
    with pytest.raises(ClusterLost):
        clock.pass_by(signs, {"a"}, LONG)


def test_an_evaluation_may_take_hours(clock: Clock) -> None:
    """Its process beats, wherever it is and whatever its clock says."""
    signs = SignsOfLife(clock.store)
    for beat in range(40):
        clock.store.write("claims/a.json", b'{"heartbeat": "%d"}' % beat)
        clock.pass_by(signs, {"a", "b"}, LIFELESS_SECONDS / 3)


def test_a_heartbeat_of_a_real_owner_is_a_sign(clock: Clock) -> None:
    signs = SignsOfLife(clock.store)
    ownership = acquire(clock.store, "claims/a.json", every=0.01)
    assert ownership is not None
    try:
        for _ in range(5):
            clock.pass_by(signs, {"a"}, LIFELESS_SECONDS - 2 * LOOK_SECONDS)
            record = clock.store.read("claims/a.json")
            while clock.store.read("claims/a.json") == record:
                pass
    finally:
        ownership.release()


def test_what_waits_for_a_node_waits(clock: Clock) -> None:
    signs = SignsOfLife(clock.store)
    clock.pass_by(signs, set(), LONG)
    clock.pass_by(signs, {"a"}, LIFELESS_SECONDS - 2 * LOOK_SECONDS)


def test_a_report_is_a_sign(clock: Clock) -> None:
    signs = SignsOfLife(clock.store)
    for _ in range(5):
        clock.pass_by(signs, {"a"}, LIFELESS_SECONDS - 2 * LOOK_SECONDS)
        signs.note()


def test_while_the_store_cannot_be_written_to_nobody_is_gone(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full for a night keeps every heartbeat out."""
    signs = SignsOfLife(clock.store)
    monkeypatch.setattr(retry, "_recovered", {})
    monkeypatch.setattr(retry, "_troubled", {clock.store.place: {object(): 0.0}})
    clock.pass_by(signs, {"a"}, LONG)
    monkeypatch.setattr(retry, "_troubled", {})
    with pytest.raises(ClusterLost):
        clock.pass_by(signs, {"a"}, LONG)
