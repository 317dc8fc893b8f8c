"""Surroundings that tests need and may break: a Ray cluster, a port, a disk without room."""

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
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from tests.endpoints import address_of, by_way_of
from tests.machines import pretend_a_big_machine


@pytest.fixture
def big_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_a_big_machine(monkeypatch)


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

    def ask(self, path: str, method: str = "GET") -> Any:
        request = urllib.request.Request(
            f"{self.dashboard}{path}",
            headers={"Authorization": f"Bearer {self.token}"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs `ray ...` with what this cluster needs."""
        return subprocess.run(
            ray(*arguments),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def wait_until_up(self) -> None:
        """Until jobs can be submitted and a node is there; either may come first."""
        deadline = time.monotonic() + 120
        while True:
            try:
                self.ask("/api/jobs/")
                if self.alive_nodes():
                    return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                pass
            assert self.process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.5)

    def alive_nodes(self) -> list[dict[str, Any]]:
        nodes = self.ask("/api/v0/nodes")["data"]["result"]["result"]
        return [node for node in nodes if node["state"] == "ALIVE"]

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


@pytest.fixture(scope="session")
def cluster() -> Callable[..., AbstractContextManager[Head]]:
    """Starts a cluster: `with cluster(home, environment, cpus=2) as head`."""
    return started


class Proxy:
    """A TCP port in front of another one, which can be cut off and put back."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.port = 0
        self.ends: list[socket.socket] = []
        self.restore()

    def restore(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, args=(self.listener,), daemon=True).start()

    def cut(self) -> None:
        """Closes every connection; new ones are refused."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for end in self.ends:
            # close() alone leaves a peer waiting while another thread is in recv().
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self.ends.clear()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
                server = socket.create_connection(self.target)
            except OSError:
                return
            self.ends += [client, server]
            for pair in ((client, server), (server, client)):
                threading.Thread(target=_pump, args=pair, daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxied(bucket_root: str) -> Iterator[tuple[str, Proxy]]:
    """A root of its own in the bucket, reached through a port that can be cut off."""
    proxy = Proxy(address_of(bucket_root))
    yield by_way_of(bucket_root, proxy.port), proxy
    proxy.cut()


@contextmanager
def mounted(place: Path, size: str) -> Iterator[Path]:
    """A file system of its own at `place`; skips the test where none can be mounted."""
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    mounting = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounting.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounting.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    with mounted(tmp_path / "disk", "1m") as place:
        yield place


@pytest.fixture
def sweep_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for a small sweep."""
    with mounted(tmp_path / "disk", "64m") as place:
        yield place


@pytest.fixture
def remount() -> Callable[[Path, str], None]:
    """Mounts a file system again: `remount(disk, "ro")`."""

    def again(place: Path, mode: str) -> None:
        # While a file is open for writing it may not become read-only.
        deadline = time.monotonic() + 60
        command = ["mount", "-o", f"remount,{mode}", str(place)]
        while subprocess.run(command, capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    return again


@pytest.fixture
def with_host() -> Callable[[pa.Table, bytes], pa.Table]:
    """A trial's one row with another host, which need not be UTF-8."""

    def with_host(table: pa.Table, host: bytes) -> pa.Table:
        options = pc.CastOptions(pa.string(), allow_invalid_utf8=True)  # pyright: ignore[reportAttributeAccessIssue] - made at run time
        at = table.column_names.index("host")
        text = pc.cast(pa.array([host]), options=options)
        return table.set_column(at, table.schema.field(at), text)

    return with_host
