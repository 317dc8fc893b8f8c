"""Servers as processes of their own, each on one core."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Server:
    """A process that answers on a port of this machine."""

    process: subprocess.Popen[bytes]
    port: int

    def fetch(self, path: str) -> bytes:
        """The body as it travels: compressed where the server compresses."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}")
        request.add_header("Accept-Encoding", "gzip")
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.read()

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=120) as answer:
            return json.load(answer)

    def wait(self, path: str, seconds: float = 300) -> None:
        """Until the path is answered with 200. Raises if the process ends before."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                self.fetch(path)
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"{self.process.args} did not answer {path}")

    def cpu_seconds(self) -> float:
        """That the process has used so far, in all its threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self, name: str) -> float:
        """VmRSS or VmHWM in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (kilobytes,) = re.findall(rf"{name}:\s+(\d+) kB", status)
        return int(kilobytes) / 1024

    def rollup(self) -> dict[str, float]:
        """Rss, Pss (its part of what it shares) and their kin, now, in MiB."""
        text = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        return {name: int(kb) / 1024 for name, kb in re.findall(r"(\w+):\s+(\d+) kB", text)}


@contextmanager
def start(command: Sequence[str], port: int, log: Path | None = None) -> Iterator[Server]:
    """The command with `--port`, on the last core; ended at the end."""
    out = subprocess.DEVNULL if log is None else log.open("wb")
    process = subprocess.Popen([*command, "--port", str(port)], stdout=out, stderr=out)
    os.sched_setaffinity(process.pid, {max(os.sched_getaffinity(0))})
    try:
        yield Server(process, port)
    finally:
        process.terminate()
        process.wait(60)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
