"""Watch over the cluster that a driver uses: whether it is still there. Knows no Ray.

Tune waits for a cluster that is gone, and Ray's own end of a driver whose head is gone comes after
a minute of silence and with the process. So threads beside Tune's ask how the cluster stands.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

LOOK_SECONDS = 2.0
# A head that has not answered for so long is spoken of.
NOTE_SECONDS = 10.0
# Time for the thread that runs the trials to hear of a loss; Ray may hold it for ever.
HEARING_SECONDS = 10.0
CONNECT_SECONDS = 2.0
# Why one is lost whose memory monitor kills workers: no failure of their trials.
LOW_MEMORY = "Ray ended trials, since the machine ran low on memory"
# Of a command whose cluster was lost.
EXIT_CODE = 4


class ClusterLost(BaseException):
    """The cluster is gone, for the reason that the text gives.

    No Exception: Tune would first end each trial in order, and wait for what is gone.
    """


class HeadLost(ClusterLost):
    """The head is gone, and this process is to end: a minute later Ray ends it, whatever it does
    then, if one question to that head is still open anywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A cluster and how to ask it. `alive_nodes` gives resources by the node's id, and may block.

    A head that is not reached for `patience` seconds is gone; `head` is its host and port.
    """

    own_node: str
    head: tuple[str, int]
    alive_nodes: Callable[[], Mapping[str, Mapping[str, float]]]
    patience: float


def loss(
    own_node: str, alive_ids: Sequence[str], unreached_seconds: float, patience: float
) -> ClusterLost | None:
    """Judges whether a cluster is lost to the driver on `own_node`, and why; None if it is not.

    `alive_ids` are the nodes that lived when the head last answered. Silence of trials is no
    reason: an evaluation may take an hour.
    """
    if unreached_seconds > patience:
        return HeadLost(f"its head cannot be reached for {unreached_seconds:.0f} s")
    if not alive_ids:
        return ClusterLost("no node of it is alive")
    if own_node not in alive_ids:
        return ClusterLost("the node of this command is dead")
    return None


def last_line(reason: str) -> str:
    """The last words of a command that ends with EXIT_CODE."""
    return f"the cluster was lost ({reason}); the same command goes on from here"


class ClusterWatch:
    """Threads that look at a cluster every few seconds, until stopped or until it is lost.

    `say` gets a line about a head that does not answer; `on_unheard` is called with the reason of
    a loss that nobody has heard of in HEARING_SECONDS through check(), and ends the process.
    """

    def __init__(
        self, cluster: Cluster, say: Callable[[str], None], on_unheard: Callable[[str], object]
    ) -> None:
        self.cluster = cluster
        self.say = say
        self.on_unheard = on_unheard
        self.loss: ClusterLost | None = None
        self._alive = cluster.alive_nodes()
        self._to_ask = threading.Event()
        self._stopped = threading.Event()
        for work in (self._ask, self._judge):
            threading.Thread(target=work, daemon=True).start()

    def nodes(self) -> list[Mapping[str, float]]:
        """The resources of every node that was alive when the head last answered."""
        return list(self._alive.values())

    def check(self) -> None:
        """Raises ClusterLost if the cluster is, and ends the watch then."""
        if self.loss is not None:
            self.stop()
            # A new one: its traceback would keep alive here what Tune has of the lost cluster.
            raise type(self.loss)(*self.loss.args)

    def stop(self) -> None:
        self._stopped.set()
        self._to_ask.set()

    def _ask(self) -> None:
        """Asks for the nodes whenever the head was just reached: Ray may never answer."""
        while True:
            self._to_ask.wait()
            self._to_ask.clear()
            if self._stopped.is_set():
                return
            try:
                self._alive = self.cluster.alive_nodes()
            except Exception:  # Ray raises it bare; the next look tells whether it matters
                continue

    def _judge(self) -> None:
        unreached_since: float | None = None
        spoken_of = False
        while not self._stopped.wait(LOOK_SECONDS):
            if reaches(self.cluster.head):
                unreached_since = None
                self._to_ask.set()
            else:
                unreached_since = unreached_since or time.monotonic()
            unreached = time.monotonic() - unreached_since if unreached_since else 0.0
            lost = loss(self.cluster.own_node, [*self._alive], unreached, self.cluster.patience)
            if lost is not None:
                self._lose(lost)
                return
            if spoken_of != (unreached > NOTE_SECONDS):
                spoken_of = not spoken_of
                self.say(_head_line(self.cluster, unreached))

    def _lose(self, lost: ClusterLost) -> None:
        self.loss = lost
        if not self._stopped.wait(HEARING_SECONDS):
            self.on_unheard(str(lost))


def _head_line(cluster: Cluster, unreached: float) -> str:
    head = "the cluster's head at {}:{}".format(*cluster.head)
    if not unreached:
        return f"{head} is reached again"
    return (
        f"{head} cannot be reached for {unreached:.0f} s: after {cluster.patience:.0f} s the "
        "cluster is taken for lost"
    )


def host_and_port(address: str) -> tuple[str, int] | None:
    """Parses `10.0.0.1:6379` or `[::1]:6379`; None for what Ray takes beside, such as `auto`."""
    host, _, port = address.rpartition(":")
    return (host.strip("[]"), int(port)) if host and "/" not in host and port.isdecimal() else None


def reaches(address: tuple[str, int]) -> bool:
    """Tells whether something listens at the host and port."""
    try:
        socket.create_connection(address, CONNECT_SECONDS).close()
    except OSError:
        return False
    return True
