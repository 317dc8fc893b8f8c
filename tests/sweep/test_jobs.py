"""The sweep as a Ray job: submitted to a head of its own, followed to its end."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sweep.results import Store

ROOT = Path(__file__).parents[2]
ENTRYPOINT = (
    "-m sweep.table1 --profile digits --settings C_8-32 --iterations 2 --no-stop-on-collapse"
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Head:
    """A Ray head on ports of its own, with token authentication."""

    def __init__(self, home: Path, environment: dict[str, str], folder: str) -> None:
        self.home = home
        self.token = secrets.token_hex(32)
        self.dashboard = f"http://127.0.0.1:{free_port()}"
        self.environment = environment | {
            "HOME": str(home),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.token,
            "RAY_TMPDIR": folder,
        }
        ports = {
            "--port": free_port(),
            "--ray-client-server-port": free_port(),
            "--dashboard-port": int(self.dashboard.rpartition(":")[2]),
            "--dashboard-agent-listen-port": free_port(),
            "--dashboard-agent-grpc-port": free_port(),
            "--metrics-export-port": free_port(),
            "--runtime-env-agent-port": free_port(),
            "--min-worker-port": 0,
            "--max-worker-port": 0,
        }
        self.process = subprocess.Popen(
            [
                *ray("start", "--head", "--block", "--disable-usage-stats"),
                f"--temp-dir={folder}",
                "--node-ip-address=127.0.0.1",
                "--num-cpus=2",
                *(f"{name}={port}" for name, port in ports.items()),
            ],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def ask(self, path: str) -> Any:
        request = urllib.request.Request(
            f"{self.dashboard}{path}", headers={"Authorization": f"Bearer {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def wait_until_up(self) -> None:
        deadline = time.monotonic() + 120
        while True:
            try:
                self.ask("/api/jobs/")
                return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                assert self.process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.5)

    def follow(self, job: str) -> dict[str, Any]:
        """A log stream may end before its job does: only the status says that it has ended."""
        deadline = time.monotonic() + 240
        while (info := self.ask(f"/api/jobs/{job}"))["status"] in ("PENDING", "RUNNING"):
            assert time.monotonic() < deadline
            time.sleep(1)
        return info

    def stop(self) -> None:
        # `ray stop` would end every Ray on this machine; this ends what was started here.
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(30)


def ray(*arguments: str) -> list[str]:
    code = "from ray.scripts.scripts import main; main()"
    return [sys.executable, "-c", code, *arguments]


@pytest.fixture
def head(tmp_path: Path, environment: dict[str, str]) -> Iterator[Head]:
    # Short: the names of Ray's sockets must fit into 107 bytes.
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    home = tmp_path / "home"
    home.mkdir()
    outside = {name: value for name, value in environment.items() if name != "PYTHONPATH"}
    head = Head(home, outside, folder)
    try:
        head.wait_until_up()
        yield head
    finally:
        head.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
def test_a_sweep_as_a_job(head: Head, tmp_path: Path) -> None:
    """The code comes with the job; nothing of it is installed or on the path of the head."""
    code = tmp_path / "code"
    for package in ("trainer", "sweep"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, code / package, ignore=ignore)
    submitted = subprocess.run(
        [
            *ray("job", "submit", "--no-wait", f"--address={head.dashboard}"),
            f"--working-dir={code}",
            "--submission-id=table1",
            "--",
            sys.executable,
            *ENTRYPOINT.split(),
        ],
        env=head.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert submitted.returncode == 0, submitted.stdout + submitted.stderr
    info = head.follow("table1")
    logs = head.ask("/api/jobs/table1/logs")["logs"]
    assert (info["status"], info["driver_exit_code"]) == ("SUCCEEDED", 0), logs
    root = head.home / "sweep-results"
    assert re.search(rf"2 trials in {root}, 0 done, 2 to run, 2 at once", logs)
    rows = [
        row
        for file in Store(root).list("trials")
        for row in Store(root).read_rows("trials", file.key)
    ]
    assert {row["method"]: row["status"] for row in rows} == {
        "sn": "completed",
        "sr-static": "completed",
    }
    assert "\x1b" not in logs
    assert head.token not in logs
