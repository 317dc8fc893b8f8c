"""The notifier's process beside a driver: each event once, over kills of either and a receiver
that refuses the first calls."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sweep.run.notifications import Notifications, notifying
from sweep.store.store import Store
from tests.receiver import Receiver, receiving

ROOT = Path(__file__).parents[3]
# A driver as launch.py has it, without Ray: it owns the record, starts the notifier, writes the
# rows that it is told to, and ends when it is told to.
DRIVER = """
import sys
from sweep.run.notifications import notifying
from sweep.store.ownership import acquire
from sweep.store.store import Store
store = Store(sys.argv[1])
def show(event, **fields):
    print(fields["text"], flush=True)
ownership = acquire(store, "sweeps/demo.json", every=0.3, sweep="demo", state="running", counts={})
with notifying(sys.argv[2], show) as notifications:
    store.write_rows("sweeps", "demo", [
        {"sweep": "demo", "position": k, "trial_id": f"t{k}"} for k in range(4)])
    notifications.start(store, "demo")
    print("started", notifications.process.pid, flush=True)
    for line in sys.stdin:
        if line.strip() == "end":
            break
        trial, status, collapse, failures = line.split()
        row = {"trial_id": trial, "setting": "C_8-32", "method": "sn", "seed": 0, "status": status}
        row |= {"mode_collapse_at": int(collapse) or None, "failures": int(failures)}
        store.write_rows("trials", trial, [row])
    ownership.release("finished")
"""


class Driver:
    """A driver in a process of its own."""

    def __init__(self, root: Path, receiver: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(root), receiver],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        self.lines: list[str] = []
        while not (line := self.stdout.readline()).startswith("started"):
            assert line, "the driver has ended"
            self.lines.append(line)
        self.notifier = int(line.split()[1])

    def tell(self, line: str) -> None:
        self.stdin.write(f"{line}\n")
        self.stdin.flush()

    def end(self) -> str:
        """Ends it; returns what it said."""
        self.tell("end")
        text, _ = self.process.communicate(timeout=60)
        assert self.process.returncode == 0
        return "".join(self.lines) + text

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def drivers(tmp_path: Path) -> Iterator[Callable[[str], Driver]]:
    started: list[Driver] = []

    def start(receiver: str) -> Driver:
        started.append(Driver(tmp_path, receiver))
        return started[-1]

    yield start
    for driver in started:
        driver.process.kill()
        driver.process.communicate()
        if is_alive(driver.notifier):
            os.kill(driver.notifier, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(happened: Callable[[], Any], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def events(receiver: Receiver) -> list[tuple[str, str | None]]:
    return [(message["event"], message["trial_id"]) for message in receiver.taken]


def test_each_event_is_called_once_over_two_kills(
    tmp_path: Path, drivers: Callable[[str], Driver]
) -> None:
    with receiving(500, 503) as receiver:
        first = drivers(receiver.url)
        first.tell("t0 running 3 0")
        wait_for(lambda: ("collapse", "t0") in events(receiver))
        first.tell("t1 failed 0 1")
        wait_for(lambda: Store(tmp_path).read_rows("trials", "t1"))
        first.kill()
        wait_for(lambda: ("stalled", None) in events(receiver))
        wait_for(lambda: not is_alive(first.notifier))
        second = drivers(receiver.url)
        os.kill(second.notifier, signal.SIGKILL)
        second.tell("t2 collapsed 5 0")
        wait_for(lambda: Store(tmp_path).read_rows("trials", "t2"))
        second.kill()
        third = drivers(receiver.url)
        wait_for(lambda: ("collapse", "t2") in events(receiver))
        third.end()
        wait_for(lambda: ("end", None) in events(receiver))
        wait_for(lambda: not is_alive(third.notifier))
    taken = events(receiver)
    assert sorted(taken, key=str) == sorted(
        [("collapse", "t0"), ("collapse", "t2"), ("end", None), ("failure", "t1"),
         ("stalled", None)],
        key=str,
    )  # fmt: skip
    assert [status for _, status in receiver.calls[:2]] == [500, 503]
    keys = [key for key, status in receiver.calls if status == 200]
    assert len(keys) == len(set(keys)) == len(taken)
    for message in receiver.taken:
        assert message["sweep"] == "demo"
        assert message["text"] == message["content"]


def test_a_refusal_is_one_line_of_the_sweep(drivers: Callable[[str], Driver]) -> None:
    with receiving(404, 404) as receiver:
        driver = drivers(receiver.url)
        driver.tell("t0 running 3 0")
        wait_for(lambda: receiver.calls)
        said = driver.end()
    assert said.count("refuses the notice of collapse: 404") == 1
    assert receiver.url not in said


def test_without_a_receiver_nothing_is_started(tmp_path: Path) -> None:
    said: list[str] = []
    with notifying(None, lambda event, **fields: said.append(fields["text"])) as notifications:
        notifications.start(Store(tmp_path), "demo")
    assert notifications.process is None
    assert said == list(tmp_path.iterdir()) == []


def test_what_goes_wrong_is_a_line_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    notifications = Notifications("cat", lambda event, **fields: said.append(fields["text"]))

    def no_process(*_: Any, **__: Any) -> None:
        raise OSError("no processes left")

    monkeypatch.setattr(subprocess, "Popen", no_process)
    notifications.start(Store(tmp_path), "demo")
    notifications.finish()
    assert said == ["nobody is notified: no processes left"]
