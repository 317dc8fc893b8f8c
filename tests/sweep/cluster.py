"""Ray clusters of a test's own: ports, folder and token that nobody else has."""

from __future__ import annotations

import contextlib
import json
import os
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
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Head:
    """A Ray head on ports of its own, with token authentication."""

    def __init__(self, home: Path, environment: dict[str, str], folder: str, cpus: int) -> None:
        self.home = home
        self.token = secrets.token_hex(32)
        self.dashboard = f"http://127.0.0.1:{free_port()}"
        self.environment = environment | {
            "HOME": str(home),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.token,
            "RAY_TMPDIR": folder,
        }
        self.address = f"127.0.0.1:{free_port()}"
        self.process = self._start(
            "--head",
            "--disable-usage-stats",
            f"--temp-dir={folder}",
            f"--num-cpus={cpus}",
            f"--port={self.address.rpartition(':')[2]}",
            f"--ray-client-server-port={free_port()}",
            f"--dashboard-port={self.dashboard.rpartition(':')[2]}",
        )
        self.nodes: list[subprocess.Popen[bytes]] = []

    def add_node(self, cpus: int) -> subprocess.Popen[bytes]:
        """Another raylet of the same cluster; the parent of its raylet is returned."""
        self.nodes.append(self._start(f"--address={self.address}", f"--num-cpus={cpus}"))
        return self.nodes[-1]

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        ports = (
            "dashboard-agent-listen-port",
            "dashboard-agent-grpc-port",
            "metrics-export-port",
            "runtime-env-agent-port",
        )
        return subprocess.Popen(
            [
                *ray("start", "--block", "--node-ip-address=127.0.0.1", *arguments),
                *(f"--{name}={free_port()}" for name in ports),
                "--min-worker-port=0",
                "--max-worker-port=0",
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
        for process in (*self.nodes, self.process):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(30)


def ray(*arguments: str) -> list[str]:
    code = "from ray.scripts.scripts import main; main()"
    return [sys.executable, "-c", code, *arguments]


@contextmanager
def started(home: Path, environment: dict[str, str], cpus: int = 2) -> Iterator[Head]:
    """A head that is up, and at the end ended with every node that was added to it."""
    # Short: the names of Ray's sockets must fit into 107 bytes.
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    home.mkdir()
    head = Head(home, environment, folder, cpus)
    try:
        head.wait_until_up()
        yield head
    finally:
        head.stop()
        shutil.rmtree(folder, ignore_errors=True)
