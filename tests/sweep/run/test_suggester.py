"""Suggestions prepared beside the driver, by studies that take their time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sweep.plan.remaining import is_done
from sweep.run.plan_file import PlanFile
from sweep.run.rows import identity_row
from sweep.run.suggester import Suggester
from sweep.store.ownership import Ownership, acquire
from sweep.store.store import Store
from sweep.store.vocabulary import Row
from trainer.config.own_trial import AnyTrial
from trainer.config.trial import TrialConfig, trial_config

TRIALS = [trial_config("digits", "C_8-32", "sr-static", 0, i_ratio=i / 32) for i in range(1, 5)]
IDS = [config.trial_id for config in TRIALS]


class Slow:
    """Suggests TRIALS in turn, each time when it is allowed to; `heard` is all that it was asked
    and told."""

    def __init__(self) -> None:
        self.left = list(TRIALS)
        self.heard: list[str] = []
        self.allowed = threading.Semaphore(0)

    def next(self) -> TrialConfig | None:
        self.allowed.acquire()
        self.heard.append("next")
        return self.left.pop(0) if self.left else None

    def finished(self) -> bool:
        return not self.left

    def tell(self, trial_id: str, row: Row | None) -> None:
        if row is not None and row["status"] == "failed":
            raise OSError("the study is out of order")
        self.heard.append(f"{trial_id} {row and row['status']}")

    def group(self, trial_id: str) -> str | None:
        return None

    def lines(self) -> list[str]:
        return []


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.fixture
def ownership(store: Store) -> Iterator[Ownership]:
    ownership = acquire(store, "sweeps/s.json", state="running")
    assert ownership is not None
    yield ownership
    ownership.release()


@pytest.fixture
def studies() -> Slow:
    return Slow()


@pytest.fixture
def suggester(store: Store, ownership: Ownership, studies: Slow) -> Iterator[Suggester]:
    made = Suggester(
        studies,
        store,
        lambda: PlanFile(ownership, "s", []),
        lambda row: is_done(row, stop_on_collapse=True),
    )
    yield made
    studies.allowed.release(100)
    made.abandon()


def wait_until(true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def ready(suggester: Suggester) -> list[AnyTrial]:
    found: list[AnyTrial] = []

    def there() -> bool:
        found.extend(config for config, _ in suggester.next(wait=False))
        return bool(found)

    wait_until(there)
    return found


def end(store: Store, config: AnyTrial, status: str) -> None:
    assert isinstance(config, TrialConfig)
    row = identity_row(config) | {"status": status, "iteration": 2}
    store.write_rows("trials", config.trial_id, [row])


def test_a_suggestion_holds_nobody_up(suggester: Suggester, studies: Slow, store: Store) -> None:
    assert suggester.next(wait=False) == []
    assert suggester.next(wait=False) == [], "asked for once, however often one looks"
    assert store.read_rows("sweeps", "s") == []
    studies.allowed.release()
    assert ready(suggester) == TRIALS[:1]
    assert [row["trial_id"] for row in store.read_rows("sweeps", "s")] == IDS[:1]
    assert studies.heard == ["next"]


def test_where_nothing_else_is_to_be_done_it_is_waited_for(
    suggester: Suggester, studies: Slow
) -> None:
    threading.Timer(0.2, studies.allowed.release).start()
    assert suggester.next(wait=True) == [(TRIALS[0], None)]


def test_ends_and_questions_keep_their_order(
    suggester: Suggester, studies: Slow, store: Store
) -> None:
    studies.allowed.release(100)
    (first,) = ready(suggester)
    end(store, first, "completed")
    suggester.tell(first.trial_id)
    assert suggester.next(wait=True) == [(TRIALS[1], None)]
    suggester.tell(IDS[1])  # it left no row
    suggester.finish()
    assert studies.heard == ["next", f"{IDS[0]} completed", "next", f"{IDS[1]} None"]


def test_what_another_sweep_has_run_is_told_at_once(
    suggester: Suggester, studies: Slow, store: Store
) -> None:
    end(store, TRIALS[0], "completed")
    studies.allowed.release(2)
    (known, row), (new, none) = suggester.next(wait=True)
    assert (known, new, none) == (TRIALS[0], TRIALS[1], None)
    assert row is not None
    assert row["status"] == "completed"
    assert studies.heard == ["next", f"{IDS[0]} completed", "next"]
    assert [row["trial_id"] for row in store.read_rows("sweeps", "s")] == IDS[:2]


def test_it_is_finished_when_the_last_one_is_handed_out(
    suggester: Suggester, studies: Slow
) -> None:
    studies.allowed.release(3)
    for _ in range(3):
        assert ready(suggester)
    assert not suggester.finished()
    assert suggester.next(wait=False) == []
    studies.allowed.release()
    wait_until(studies.finished)
    assert not suggester.finished(), "one stands in the plan and is not handed out"
    assert ready(suggester) == TRIALS[3:]
    assert suggester.finished()


def test_an_error_of_the_thread_is_the_drivers(
    suggester: Suggester, studies: Slow, store: Store
) -> None:
    studies.allowed.release(100)
    end(store, TRIALS[0], "failed")
    suggester.tell(IDS[0])
    with pytest.raises(OSError, match="out of order"):
        wait_until(lambda: not suggester.next(wait=True))  # as soon as it has been told


def test_an_error_of_the_last_end_is_not_lost(suggester: Suggester, store: Store) -> None:
    end(store, TRIALS[0], "failed")
    suggester.tell(IDS[0])
    with pytest.raises(OSError, match="out of order"):
        suggester.finish()


def test_abandoned_it_does_nothing_more(suggester: Suggester, studies: Slow, store: Store) -> None:
    suggester.next(wait=False)
    suggester.tell(IDS[0])
    suggester.abandon()
    studies.allowed.release(100)
    wait_until(lambda: not any(t.name.startswith("suggesting") for t in threading.enumerate()))
    assert studies.heard == ["next"]
