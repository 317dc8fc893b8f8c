"""Orders to end that reach a worker while it trains: the driver's, and SIGTERM to its process.

The driver's stand in the cluster's key-value store, at which a thread of every worker looks. The
store of results has requests too, which a trial sees at every evaluation: those also reach a trial
that its driver does not. An order may say at which rung of a search it was given.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from trainer.interruption import Notice

NAMESPACE = "sweep-stop-orders"
LOOK_SECONDS = 1.0
EVERY_TRIAL = "*"

# By trial id, or EVERY_TRIAL: the columns of `trials` that say why, none where nothing is to say.
Orders = Mapping[str, Mapping[str, Any]]

_giving = threading.Lock()
_termination: Notice | None = None


def give(orders: Callable[[], Orders]) -> None:
    """Lets the workers of this driver know the trials that are to end.

    Returns at once, as a head that is gone may never answer; `orders` is asked as they are sent.
    """

    def send() -> None:
        # A worker that hears nothing sees a request at its next evaluation.
        with _giving, contextlib.suppress(Exception):
            if key := _key():
                from ray.experimental import internal_kv

                content = json.dumps(orders()).encode()
                internal_kv._internal_kv_put(key, content, overwrite=True, namespace=NAMESPACE)

    threading.Thread(target=send, daemon=True).start()


class Order:
    """The order to a trial, once there is one; called, it reads a flag, and no more."""

    def __init__(self) -> None:
        self._reason: Mapping[str, Any] | None = None

    def __call__(self) -> bool:
        """Tells whether this process's trial is to end."""
        return self._reason is not None or _is_terminated()

    def take(self, reason: Mapping[str, Any]) -> None:
        self._reason = reason

    @property
    def reason(self) -> Mapping[str, Any]:
        """The columns of `trials` that say why; none before the order, or without a reason."""
        return self._reason or {}


@contextmanager
def listening(trial_id: str, look_seconds: float = LOOK_SECONDS) -> Iterator[Order]:
    """Yields the order to a trial, for which a thread looks all the time."""
    order, ended = Order(), threading.Event()

    def listen() -> None:
        while not order():
            orders = _orders()
            for name in (trial_id, EVERY_TRIAL):
                if name in orders:
                    order.take(orders[name])
                    return
            if ended.wait(look_seconds):
                return

    threading.Thread(target=listen, daemon=True).start()
    try:
        yield order
    finally:
        ended.set()


def _orders() -> Orders:
    # Ray raises many kinds while it starts and ends.
    with contextlib.suppress(Exception):
        if key := _key():
            from ray.experimental import internal_kv

            if content := internal_kv._internal_kv_get(key, namespace=NAMESPACE):
                return json.loads(content)
    return {}


def _key() -> str:
    """Id of the Ray job, which a driver shares with its workers; empty without a cluster."""
    ray = sys.modules.get("ray")
    # Asked for a job where there is none, Ray would start a cluster.
    return ray.get_runtime_context().get_job_id() if ray and ray.is_initialized() else ""


def note_termination() -> None:
    """Lets SIGTERM end this process only after its trial has saved. For the main thread."""
    global _termination
    if _termination is None:  # an actor that is used again has done so
        _termination = Notice(signal.SIGTERM)


def _is_terminated() -> bool:
    return _termination is not None and _termination()


def end_if_terminated() -> None:
    """Ends this process at once if SIGTERM has come: Tune would give it another trial."""
    if _is_terminated():
        os._exit(128 + signal.SIGTERM)
