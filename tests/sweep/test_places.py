"""Places of a running sweep while another start trains one of its trials: real processes, Ray."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sweep.store.store import Store
from tests.processes import descendants, trains
from tests.sweep.small_sweep import SN, SR, Driver, wait_until

pytestmark = pytest.mark.timeout(300)

PLAN = (
    "--profile=digits",
    "--settings=C_8-32",
    "--iterations=10",
    "--no-stop-on-collapse",
    "--max-concurrent=1",
    "--json",
    "--name=places",
)


@contextmanager
def owned_elsewhere(store: Store, trial_id: str) -> Iterator[None]:
    """Keeps the trial's record of another host fresh, as a process that nobody reaches does."""
    ended = threading.Event()
    path = f"claims/{trial_id}.json"

    def beat() -> None:
        while not ended.is_set():
            record = {"host": "far", "pid": 7, "attempt": "x"}
            now = {"heartbeat": datetime.now(UTC).isoformat()}
            store.write(path, json.dumps(record | now).encode())
            ended.wait(0.5)
        store.delete(path)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def end(driver: Driver) -> None:
    driver.process.kill()
    driver.process.wait(10)


def statuses_of(events: list[dict[str, Any]], trial_id: str) -> list[str]:
    """What was said of a trial: its statuses, in order and each once."""
    statuses = [e.get("status", e["event"]) for e in events if e.get("trial_id") == trial_id]
    return list(dict.fromkeys(statuses))


def recorded(store: Store) -> dict[str, Any]:
    return json.loads(store.read("sweeps/places.json") or b"{}")


@pytest.mark.slow
def test_a_trial_that_another_start_trains_keeps_no_place(
    environment: dict[str, str], tmp_path: Path, stack: ExitStack
) -> None:
    """SN is the first of the plan, and there is one place: SR takes it. Then nothing is left."""
    root = tmp_path / "r"
    store = Store(root)
    command = ("sweep.table1", *PLAN, f"--results={root}")
    with owned_elsewhere(store, SN):
        wait_until(lambda: store.list("claims"), 10)
        driver = Driver(environment, tmp_path / "log", *command)
        stack.callback(end, driver)
        wait_until(lambda: "completed" in statuses_of(driver.events(), SR), 120)
        assert statuses_of(driver.events(), SN) == ["waiting"]
        (said, *_) = [e for e in driver.events() if e["event"] == "waiting"]
        assert (said["host"], said["pid"]) == ("far", 7)
        assert 0 <= said["silent_seconds"] < 30
        family = descendants(driver.process.pid)
        wait_until(lambda: not any(map(trains, family)), 30)
        # For as long as a new worker takes to start none does.
        for _ in range(20):
            assert not any(map(trains, descendants(driver.process.pid)))
            time.sleep(0.25)
        wait_until(lambda: recorded(store)["counts"] == {"completed": 1, "waiting": 1}, 30)
        assert [wait["trial_id"] for wait in recorded(store)["waiting"]] == [SN]
    assert driver.wait() == 0, driver.said()
    assert store.list("claims") == []
