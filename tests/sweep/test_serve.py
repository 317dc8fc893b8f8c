"""`python -m sweep.serve`, in processes of its own and with a real Ray."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sweep import serve
from sweep.store import orders
from sweep.store.orders import SERVER, Entry, new_order, read_orders
from sweep.store.ownership import acquire
from sweep.store.store import Store
from tests.api.servers import wait_for
from trainer.config.lookup import UsageError


def started(root: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "sweep.serve",
        f"--results={root}",
        "--",
        "--max-concurrent=1",
    ]
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, text=True)


def placed(store: Store, seeds: str, iterations: int, setting: str = "C_8-32") -> str:
    values = {
        "profile": "digits", "settings": setting, "methods": "sn", "seeds": seeds,
        "iterations": str(iterations),
    }  # fmt: skip
    order = new_order(values, author="a", confirmed=True)
    orders.place(store, order)
    return order.id


def entry(store: Store, order_id: str) -> Entry:
    return {e.order.id: e for e in read_orders(store).entries}[order_id]


def test_a_second_server_refuses_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ownership = acquire(Store(tmp_path), SERVER)
    assert ownership is not None
    try:
        assert serve.main([f"--results={tmp_path}"]) == 2
    finally:
        ownership.release()
    said = capsys.readouterr().err
    assert f"is served by process {ownership._record['pid']} on" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("--seeds=1", "is set by the order"), ("--set=C_8-32", "is set by the order"),
        ("--results=x", "is set by"), ("--dry-run", "is set by"), ("--no-such", "--no-such"),
        ("--max-concurrent=0", "at least 1"),
    ],
)  # fmt: skip
def test_arguments_are_checked_at_the_start(argument: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        serve.check_arguments([argument])
    serve.check_arguments(["--data-root=/data", "--max-concurrent", "2", "--gpus-per-trial=0.5"])


@pytest.mark.slow
@pytest.mark.timeout(900)  # six starts of Ray and torch
def test_orders_are_trained_over_ends_and_kills(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    store = Store(tmp_path)
    refused, first = placed(store, "0", 2, "C_9-99"), placed(store, "0", 4)
    server = started(tmp_path, environment)
    try:
        wait_for(lambda: entry(store, first).state == "finished", 200)
        answer = entry(store, refused).answer
        assert answer is not None
        assert (answer.state, "unknown setting 'C_9-99'" in (answer.reason or "")) == (
            "refused", True,
        )  # fmt: skip
        (row,) = store.read_rows("sweeps", f"order-{first}")
        assert store.read_rows("trials", row["trial_id"])[0]["status"] == "completed"

        long = placed(store, "1", 100_000)
        wait_for(lambda: store.read(f"sweeps/order-{long}.parquet") is not None, 100)
        wait_for(lambda: len(store.list("trials")) == 2, 100)
        server.send_signal(signal.SIGTERM)
        assert server.wait(40) == 130
        assert entry(store, long).state == "running"
        (row,) = store.read_rows("sweeps", f"order-{long}")
        assert store.read_rows("trials", row["trial_id"])[0]["status"] == "stopped"

        server = started(tmp_path, environment)
        trial = f"trials/{row['trial_id']}.parquet"
        wait_for(lambda: b"running" in status(store, trial), 100)
        server.kill()
        server.wait()
        server = started(tmp_path, environment)
        wait_for(lambda: (store.read(SERVER) or b"").find(str(server.pid).encode()) > 0, 60)
        orders.change(store, long, cancelled=True)
        wait_for(lambda: entry(store, long).state == "stopped", 100)
        assert status(store, trial) == b"stopped"
    finally:
        server.terminate()
        server.wait(40)


def status(store: Store, path: str) -> bytes:
    key = path.removeprefix("trials/").removesuffix(".parquet")
    return store.read_rows("trials", key)[0]["status"].encode()
