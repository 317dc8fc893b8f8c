"""Orders to end: how they reach a trial that trains."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from sweep.run import stop_orders
from sweep.run.stop_orders import EVERY_TRIAL, listening


def soon(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 30
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)
    return true()


@pytest.mark.parametrize("orders", [["t"], ["another", "t"], [EVERY_TRIAL]])
def test_an_order_is_heard_while_the_trial_trains(
    monkeypatch: pytest.MonkeyPatch, orders: list[str]
) -> None:
    given: dict[str, dict[str, int]] = {"another": {}}
    monkeypatch.setattr(stop_orders, "_orders", lambda: dict(given))
    with listening("t", 0.01) as stop:
        assert not stop()
        given |= {name: {} for name in orders}
        assert soon(stop)
        given.clear()
        assert stop(), "what ends does not begin again"
    with listening("t") as stop:
        assert not stop(), "the next trial of this process is another one"


def test_an_order_carries_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, dict[str, int]] = {}
    monkeypatch.setattr(stop_orders, "_orders", lambda: dict(given))
    with listening("t", 0.01) as stop:
        assert stop.reason == {}
        given |= {EVERY_TRIAL: {}, "t": {"rung": 1}}
        assert soon(stop)
        assert stop.reason == {"rung": 1}


def test_without_a_cluster_nothing_is_ordered_and_none_is_started() -> None:
    code = """
import ray
from sweep.run import stop_orders
stop_orders.give(lambda: {"t": {}})
with stop_orders.listening("t") as stop:
    assert stop_orders._orders() == {} and not stop()
assert not ray.is_initialized()
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_process_that_is_terminated_lets_its_trial_end_first() -> None:
    code = """
import signal, threading
from sweep.run import stop_orders
stop_orders.end_if_terminated()
stop_orders.note_termination()
stop_orders.end_if_terminated()
with stop_orders.listening("t") as stop:
    assert not stop()
    signal.raise_signal(signal.SIGTERM)
    assert stop()
print("saved", flush=True)
threading.Thread(target=stop_orders.end_if_terminated).run()
print("not reached")
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (143, "saved\n"), ended.stderr
