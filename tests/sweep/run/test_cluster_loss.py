"""Goes on after a loss, or ends: with a Ray that is only told, and ends no process."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import OutOfMemoryError

from sweep.run import cluster_loss
from sweep.run.cluster_loss import MOST_RESTARTS, leave, run_through_losses
from sweep.run.cluster_watch import Cluster, ClusterLost, HeadLost
from trainer.config.lookup import UsageError


class Told:
    """A driver and its Ray that note what is asked of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        self.lines: list[str] = []
        self.returns = True
        self.problem: Exception | None = None
        self.driver: Any = SimpleNamespace(
            settle=self.settle,
            own_trials=[],
            options=SimpleNamespace(remote=False),
            ownership=SimpleNamespace(release=lambda state: self.calls.append(f"release {state}")),
            show=lambda event, text: self.lines.append(text),
            take_back=lambda: self.calls.append("take back"),
            watch=None,
        )
        cluster = Cluster(
            own_node="mine", head=("127.0.0.1", 1), alive_nodes=lambda: {"mine": {}}, patience=600
        )
        ray = SimpleNamespace(
            connected=lambda: cluster, connect=self.connect, disconnect=self.disconnect
        )
        monkeypatch.setattr(cluster_loss, "ray_cluster", ray)
        monkeypatch.setattr(cluster_loss.os, "_exit", self.exit)

    def connect(self, *, say: Callable[[str], None]) -> None:
        self.calls.append("connect")
        if self.problem is not None:
            raise self.problem

    def disconnect(self, seconds: float) -> bool:
        self.calls.append("disconnect")
        return self.returns

    def settle(self, trials: Any, status: str) -> None:
        self.calls.append(f"settle {status}")

    def exit(self, code: int) -> None:
        self.calls.append(f"exit {code}")
        raise SystemExit(code)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    return Told(monkeypatch)


def loses(times: int) -> Callable[[], None]:
    """A run of trials whose cluster is lost so often."""
    losses = [ClusterLost("it is dead")] * times

    def run_trials() -> None:
        if losses:
            raise losses.pop()

    return run_trials


def kills_for_memory() -> Callable[[], None]:
    """A run of trials whose first one ends as Tune does when Ray's memory monitor has killed."""
    kills = [OutOfMemoryError("2 worker(s) were killed due to the node running low on memory")]

    def run_trials() -> None:
        if kills:
            raise RuntimeError("Caught unexpected exception") from kills.pop()

    return run_trials


AGAIN = ["disconnect", "settle stopped", "take back", "connect"]


def test_trials_that_were_killed_for_memory_go_on(told: Told) -> None:
    run_through_losses(told.driver, kills_for_memory())
    assert told.calls == AGAIN
    assert "since the machine ran low on memory): starting it again, 1 of 3" in told.lines[0]


def test_another_error_of_tune_is_no_loss(told: Told) -> None:
    def run_trials() -> None:
        raise RuntimeError("Caught unexpected exception") from ValueError("x")

    with pytest.raises(RuntimeError, match="unexpected"):
        run_through_losses(told.driver, run_trials)
    assert told.calls == []


def test_a_run_that_nothing_disturbs(told: Told) -> None:
    run_through_losses(told.driver, loses(0))
    assert told.calls == told.lines == []


def test_a_local_cluster_is_started_again(told: Told) -> None:
    run_through_losses(told.driver, loses(2))
    assert told.calls == AGAIN * 2
    assert told.lines == [
        f"the local Ray cluster died (it is dead): starting it again, {n} of 3" for n in (1, 2)
    ]


def test_it_is_started_again_three_times(told: Told) -> None:
    run_through_losses(told.driver, loses(MOST_RESTARTS))
    with pytest.raises(ClusterLost, match="it is dead"):
        run_through_losses(told.driver, loses(MOST_RESTARTS + 1))
    assert told.calls == AGAIN * MOST_RESTARTS * 2


def test_one_that_does_not_start_again_is_lost(told: Told) -> None:
    told.problem = UsageError("Ray did not start here: no room")
    with pytest.raises(ClusterLost, match=r"it is dead, and Ray did not start here: no room"):
        run_through_losses(told.driver, loses(1))


def test_one_without_a_head_is_lost_at_once(told: Told) -> None:
    def run_trials() -> None:
        raise HeadLost("it is dead")

    with pytest.raises(HeadLost, match="it is dead"):
        run_through_losses(told.driver, run_trials)
    assert told.calls == told.lines == []


def test_a_foreign_cluster_is_not_started(told: Told) -> None:
    told.driver.options.remote = True
    with pytest.raises(ClusterLost, match="it is dead"):
        run_through_losses(told.driver, loses(1))
    assert told.calls == told.lines == []


def test_a_ray_that_does_not_let_go_ends_the_process(told: Told) -> None:
    told.returns = False
    with pytest.raises(SystemExit) as ended:
        leave(told.driver, "it is dead")
    assert ended.value.code == 4
    assert told.calls == ["disconnect", "settle stopped", "release lost", "exit 4"]
    assert told.lines == ["the cluster was lost (it is dead); the same command goes on from here"]
