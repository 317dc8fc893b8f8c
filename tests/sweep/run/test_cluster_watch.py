"""When a cluster is taken for lost, and who hears of it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from sweep.run import cluster_watch
from sweep.run.cluster_watch import (
    Cluster,
    ClusterLost,
    ClusterWatch,
    HeadLost,
    host_and_port,
    loss,
)

Nodes = dict[str, Mapping[str, float]]


@pytest.mark.parametrize(
    ("alive", "unreached", "reason"),
    [
        (["mine"], 0.0, None),
        (["mine", "other"], 30.0, None),
        (["mine"], 31.0, "its head cannot be reached for 31 s"),
        (["other"], 0.0, "the node of this command is dead"),
        ([], 0.0, "no node of it is alive"),
        ([], 31.0, "its head cannot be reached for 31 s"),
    ],
)
def test_the_reasons_for_a_loss(alive: list[str], unreached: float, reason: str | None) -> None:
    lost = loss("mine", alive, unreached, patience=30.0)
    assert (lost and str(lost)) == reason
    assert isinstance(lost, HeadLost) == (unreached > 30.0)


class Watched:
    """A watch of a cluster that tests break: a port that listens, and nodes."""

    def __init__(self, patience: float) -> None:
        self.nodes: Nodes = {"mine": {"CPU": 2.0}, "other": {"CPU": 8.0}}
        self.lines: list[str] = []
        self.unheard: list[str] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()[:2]
        self.answers: Callable[[], Nodes] = lambda: self.nodes
        cluster = Cluster(
            own_node="mine",
            head=self.address,
            alive_nodes=lambda: self.answers(),
            patience=patience,
        )
        self.watch = ClusterWatch(cluster, self.lines.append, self.unheard.append)

    def lost(self) -> str:
        """Waits for the loss, as the driver does, and returns its reason."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                self.watch.check()
            except ClusterLost as lost:
                return str(lost)
            time.sleep(0.01)
        raise AssertionError("not lost")

    def end(self) -> None:
        self.watch.stop()
        self.listener.close()


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Watched]]:
    monkeypatch.setattr(cluster_watch, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(cluster_watch, "NOTE_SECONDS", 0.1)
    started: list[Watched] = []

    def start(patience: float = 600.0) -> Watched:
        started.append(Watched(patience))
        return started[-1]

    yield start
    for each in started:
        each.end()


def wait_until(true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("address", "parsed"),
    [
        ("10.0.0.1:6379", ("10.0.0.1", 6379)),
        ("[::1]:6379", ("::1", 6379)),
        ("ray://head:10001", None),
        ("auto", None),
        (":6379", None),
        ("head:port", None),
    ],
)
def test_an_address(address: str, parsed: tuple[str, int] | None) -> None:
    assert host_and_port(address) == parsed


def test_the_nodes_that_are_alive(watched: Callable[..., Watched]) -> None:
    cluster = watched()
    assert cluster.watch.nodes() == [{"CPU": 2.0}, {"CPU": 8.0}]
    del cluster.nodes["other"]
    cluster.watch.check()
    wait_until(lambda: cluster.watch.nodes() == [{"CPU": 2.0}])
    cluster.watch.check()
    assert cluster.lines == cluster.unheard == []


def test_a_dead_node_of_ones_own(watched: Callable[..., Watched]) -> None:
    cluster = watched()
    del cluster.nodes["mine"]
    assert cluster.lost() == "the node of this command is dead"
    assert cluster.lines == cluster.unheard == []


def test_a_head_that_is_gone(watched: Callable[..., Watched]) -> None:
    """Ray answers never: the port alone tells."""
    cluster = watched(patience=0.3)
    blocked, asked = threading.Event(), threading.Event()

    def blocks() -> Nodes:
        asked.set()
        blocked.wait(10)
        return {}

    cluster.answers = blocks
    assert asked.wait(10)
    cluster.listener.close()
    assert cluster.lost().startswith("its head cannot be reached")
    blocked.set()


def test_a_head_that_comes_back(watched: Callable[..., Watched]) -> None:
    cluster = watched()
    cluster.listener.close()
    wait_until(lambda: cluster.lines)
    cluster.listener = socket.create_server(cluster.address)
    wait_until(lambda: len(cluster.lines) == 2)
    cluster.watch.check()
    head = f"the cluster's head at 127.0.0.1:{cluster.address[1]} "
    assert all(line.startswith(head) for line in cluster.lines)
    assert "cannot be reached" in cluster.lines[0]
    assert cluster.lines[1].endswith("is reached again")


def test_an_answer_that_fails_is_no_loss(watched: Callable[..., Watched]) -> None:
    cluster = watched()
    asked: list[None] = []

    def fails() -> Nodes:
        asked.append(None)
        raise RuntimeError("busy")

    cluster.answers = fails
    wait_until(lambda: len(asked) > 3)
    cluster.watch.check()
    assert len(cluster.watch.nodes()) == 2


def test_a_loss_that_nobody_hears_of(
    watched: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_watch, "HEARING_SECONDS", 0.1)
    cluster = watched()
    del cluster.nodes["mine"]
    wait_until(lambda: cluster.unheard)
    assert cluster.unheard == ["the node of this command is dead"]


def test_a_stopped_watch_says_nothing(
    watched: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_watch, "HEARING_SECONDS", 0.0)
    before = threading.active_count()
    cluster = watched()
    cluster.watch.stop()
    cluster.nodes.clear()
    wait_until(lambda: threading.active_count() <= before)
    cluster.watch.check()
    assert cluster.lines == cluster.unheard == []
