"""The server of orders, with commands of Python in place of sweeps."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sweep.run.order_server import OrderServer, cost_of
from sweep.store import orders, requests
from sweep.store.orders import SERVER, Entry, new_order, read_orders
from sweep.store.ownership import Superseded, acquire
from sweep.store.store import Store

PRICE = '{"state": "to run", "seconds": 7200.0, "gpu_hours": 0.0, "cpus": 2, "gpus": 0}'


class Stub(OrderServer):
    """A server whose commands are pieces of Python, by the seeds that are ordered."""

    def _command(self, entry: Entry) -> list[str]:
        code = {
            "1": "pass",
            "2": "import sys; sys.exit(3)",
            "3": "import time; time.sleep(60)",
            "4": "import sys; sys.exit('bad\\nunknown setting' if '--json' in sys.argv else 0)",
        }[entry.order.values["seeds"]]
        priced = f"import sys\nif '--json' in sys.argv: print({PRICE!r}); sys.exit()\n"
        return [
            sys.executable,
            "-c",
            ("" if entry.order.values["seeds"] == "4" else priced) + code,
        ]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OrderServer]:
    store = Store(tmp_path)
    ownership = acquire(store, SERVER)
    assert ownership is not None
    server = Stub(store, ownership, [], lambda text, **facts: None)
    yield server
    server._end()
    ownership.release()


def placed(server: OrderServer, seeds: str, **options: Any) -> str:
    values = {"profile": "digits", "settings": "C_8-32", "seeds": seeds}
    order = new_order(values, author="a", **options)
    orders.place(server.store, order)
    return order.id


def entry(server: OrderServer, order_id: str) -> Entry:
    found = {e.order.id: e for e in read_orders(server.store).entries}
    return found[order_id]


def look_until(server: OrderServer, order_id: str, state: str) -> Entry:
    deadline = time.monotonic() + 60
    while (now := entry(server, order_id)).state != state:
        assert time.monotonic() < deadline, f"{now.state} and not {state}"
        server.look()
        time.sleep(0.02)
    return now


def test_an_order_is_priced_and_runs_once_it_is_confirmed(server: OrderServer) -> None:
    order_id = placed(server, "1")
    priced = look_until(server, order_id, "priced")
    assert priced.answer is not None
    assert priced.answer.cost is not None
    assert (priced.answer.cost.trials, priced.answer.cost.cpu_hours) == (1, 4.0)
    for _ in range(5):
        server.look()
    assert entry(server, order_id).state == "priced"
    orders.change(server.store, order_id, confirmed=True)
    finished = look_until(server, order_id, "finished")
    assert finished.answer is not None
    assert finished.answer.cost == priced.answer.cost


def test_what_the_command_refuses_has_its_reason(server: OrderServer) -> None:
    refused = look_until(server, placed(server, "4", confirmed=True), "refused")
    assert refused.answer is not None
    assert refused.answer.reason == "unknown setting"


def test_failures_are_told_and_do_not_stop_the_queue(server: OrderServer) -> None:
    first, second = placed(server, "2", confirmed=True), placed(server, "1", confirmed=True)
    failed = look_until(server, first, "failed")
    assert failed.answer is not None
    assert failed.answer.reason == "exit code 3"
    look_until(server, second, "finished")


def test_a_cancelled_order_is_asked_to_stop(server: OrderServer) -> None:
    running, waiting = placed(server, "3", confirmed=True), placed(server, "1", confirmed=True)
    look_until(server, running, "running")
    orders.change(server.store, waiting, cancelled=True)
    assert entry(server, waiting).state == "cancelled" or entry(server, waiting).answer is None
    orders.change(server.store, running, cancelled=True)
    server.look()
    server.look()
    asked = requests.read_requests(server.store, f"order-{running}")
    assert [(r["action"], r["id"]) for r in asked] == [("stop-sweep", running)]
    assert server.running is not None
    server.running.process.terminate()  # as the sweep itself does once it has saved
    look_until(server, running, "stopped")
    for _ in range(5):
        server.look()
    assert entry(server, waiting).state == "cancelled"


def test_an_end_leaves_the_queue_as_it_was(server: OrderServer) -> None:
    running, waiting = placed(server, "3", confirmed=True), placed(server, "1", confirmed=True)
    look_until(server, running, "running")
    process = server.running and server.running.process
    server.stop.set()
    server.serve()
    assert process is not None
    assert process.poll() is not None
    assert entry(server, running).state == "running"
    assert entry(server, waiting).state in ("new", "queued")


def test_a_server_that_was_superseded_starts_nothing(server: OrderServer) -> None:
    placed(server, "1", confirmed=True)
    server.store.write(SERVER, b'{"attempt": "another"}')
    with pytest.raises(Superseded):
        server.serve()
    assert [e.state for e in read_orders(server.store).entries] == ["new"]


def test_only_what_is_left_costs() -> None:
    row = {"seconds": 3600.0, "gpu_hours": 0.25, "cpus": 1, "gpus": 0.25}
    cost = cost_of([row | {"state": s} for s in ("done", "to run", "to resume")])
    assert (cost.trials, cost.done, cost.seconds) == (2, 1, 7200.0)
    assert (cost.gpu_hours, cost.cpu_hours) == (0.5, 0.0)
