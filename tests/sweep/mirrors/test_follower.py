"""A sweep followed in its store: each point once, whoever mirrors and whatever fails between."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from sweep.mirrors.follower import Follower
from sweep.mirrors.runs import Point, Run
from sweep.mirrors.tracker import Away, Refused
from sweep.store.store import Store, StoreError
from tests.sweep.mirrors.stored_sweep import StoredSweep, mirror_once


@dataclass
class Recorder:
    """A tracker that notes what it is sent; `errors` are raised first, one each call."""

    place: str = "recorder"
    errors: list[Exception] = field(default_factory=list)
    sent: list[tuple[str, list[int], str | None, bool]] = field(default_factory=list)

    def send(
        self, run: Run, points: Sequence[Point], run_id: str | None, *, in_doubt: bool
    ) -> str:
        iterations = [point.iteration for point in points]
        self.sent.append((run.trial_id, iterations, run_id, in_doubt))
        if self.errors:
            raise self.errors.pop(0)
        return f"run of {run.trial_id}"

    def close(self) -> None:
        pass


def test_each_point_is_sent_once(sweep: StoredSweep) -> None:
    tracker = Recorder()
    follower = sweep.follower(tracker)
    sweep.evaluate(0, 2)
    mirror_once(follower)
    mirror_once(follower)
    sweep.evaluate(0)
    sweep.evaluate(1)
    mirror_once(follower)
    mirror_once(sweep.follower(tracker))
    assert tracker.sent == [
        ("t0", [0, 50], None, False),
        ("t0", [100], "run of t0", False),
        ("t1", [0], None, False),
    ]
    assert follower.n_points == 4


def test_the_next_process_sends_what_was_missed(sweep: StoredSweep) -> None:
    tracker = Recorder()
    sweep.evaluate(0)
    mirror_once(sweep.follower(tracker))
    sweep.evaluate(0, status="completed")
    mirror_once(sweep.follower(tracker))
    sweep.write(0, status="completed", dead_at=50, healthy=False)
    mirror_once(sweep.follower(tracker))
    assert [iterations for _, iterations, _, _ in tracker.sent] == [[0], [50], []]


def test_a_mirror_that_is_killed_leaves_doubt(sweep: StoredSweep) -> None:
    class Killed(BaseException):
        pass

    tracker = Recorder(errors=[Killed()])  # type: ignore[list-item]
    sweep.evaluate(0)
    with pytest.raises(Killed):
        mirror_once(sweep.follower(tracker))
    mirror_once(sweep.follower(tracker))
    mirror_once(sweep.follower(tracker))
    assert tracker.sent == [("t0", [0], None, False), ("t0", [0], None, True)]


def test_a_trial_without_evaluations_is_sent_its_first_later(sweep: StoredSweep) -> None:
    tracker = Recorder()
    follower = sweep.follower(tracker)
    sweep.write(0, iteration=0)
    mirror_once(follower)
    sweep.evaluate(0)
    mirror_once(follower)
    assert [iterations for _, iterations, _, _ in tracker.sent] == [[], [0]]


def test_rows_that_were_cut_back_are_not_sent_again(sweep: StoredSweep) -> None:
    """A trial that goes on from its checkpoint drops later rows, and writes them again."""
    tracker = Recorder()
    follower = sweep.follower(tracker)
    sweep.evaluate(0, 4)
    mirror_once(follower)
    sweep.iterations[0] = 50
    sweep.evaluate(0, 0)
    mirror_once(follower)
    sweep.evaluate(0, 3)
    mirror_once(follower)
    assert [iterations for _, iterations, _, _ in tracker.sent] == [[0, 50, 100, 150], [200]]


def test_trials_of_others_are_none_of_it(sweep: StoredSweep) -> None:
    tracker = Recorder()
    sweep.iterations[7] = -50
    sweep.evaluate(7)
    mirror_once(sweep.follower(tracker))
    assert tracker.sent == []


def waits(follower: Follower, tracker: Recorder, now: list[float]) -> list[float]:
    """Times at which it tries, until it is through."""
    tries = []
    while follower.queue:
        n = len(tracker.sent)
        follower.send()
        if len(tracker.sent) > n:
            tries.append(now[0])
        now[0] += 0.5
    return tries


def test_a_tracker_that_is_away_is_tried_with_a_growing_pause(
    sweep: StoredSweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    tracker, said = Recorder(errors=[Away("connection refused\nat x") for _ in range(5)]), []
    follower = sweep.follower(tracker, said.append)
    sweep.evaluate(0)
    sweep.evaluate(1)
    follower.look()
    tries = waits(follower, tracker, now)
    pauses = [after - earlier for earlier, after in itertools.pairwise(tries)]
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert said == [
        "recorder is away: connection refused; trying again",
        "recorder is back",
    ]
    assert tracker.sent[-2:] == [("t0", [0], None, True), ("t1", [0], None, False)]


def test_a_refused_trial_is_one_line_and_keeps_no_other_back(sweep: StoredSweep) -> None:
    tracker, said = Recorder(errors=[Refused("403 no right")]), []
    follower = sweep.follower(tracker, said.append)
    sweep.evaluate(0)
    sweep.evaluate(1)
    mirror_once(follower)
    sweep.evaluate(0)
    mirror_once(follower)
    assert said == ["recorder refuses t0: 403 no right"]
    assert follower.refused == {"t0"}
    assert [trial_id for trial_id, _, _, _ in tracker.sent] == ["t0", "t1"]
    mirror_once(sweep.follower(tracker))
    assert tracker.sent[-1] == ("t0", [0, 50], None, True)


def test_a_file_that_cannot_be_read_is_named_once(sweep: StoredSweep) -> None:
    tracker, said = Recorder(), []
    follower = sweep.follower(tracker, said.append)
    sweep.evaluate(0)
    sweep.store.write("trials/t1.parquet", b"no file")
    mirror_once(follower)
    mirror_once(follower)
    (line,) = said
    assert line.startswith("cannot read trials/t1.parquet: ")
    assert [trial_id for trial_id, _, _, _ in tracker.sent] == ["t0"]


def test_a_store_that_is_away_is_looked_at_again(
    sweep: StoredSweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker, said = Recorder(), []
    follower = sweep.follower(tracker, said.append)
    sweep.evaluate(0)

    def away(store: Store, folder: str) -> None:
        raise StoreError("cannot list")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "list", away)
        mirror_once(follower)
        mirror_once(follower)
    assert said == ["cannot look for what to mirror: cannot list"]
    mirror_once(follower)
    assert tracker.sent == [("t0", [0], None, False)]


@pytest.mark.parametrize(
    ("state", "is_over"),
    [("running", False), ("interrupted", False), ("lost", False), ("failed", True),
     ("finished", True)],
)  # fmt: skip
def test_a_sweep_is_over_when_nothing_more_is_to_come(
    sweep: StoredSweep, state: str, is_over: bool
) -> None:
    sweep.driver(state)
    follower = sweep.follower(Recorder())
    follower.look()
    assert follower.is_over == is_over
