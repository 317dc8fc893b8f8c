"""Hosts on one machine: each reaches the others, but for one that is cut off."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.campaign.hosts import ADDRESSES, Hosts, missing, three_hosts

# Nothing listens there: a host that is reached refuses at once, one that is not stays silent.
REACHED = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], 9), timeout=3)
except ConnectionRefusedError:
    print("reached")
except OSError:
    print("silent")
"""


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    if (reason := missing()) is not None:
        pytest.skip(f"hosts cannot be made here: {reason}")
    with three_hosts(tmp_path) as made:
        yield made


def run(hosts: Hosts, host: str, *command: str) -> str:
    ended = subprocess.run(
        hosts.inside(host, *command), capture_output=True, text=True, check=True, timeout=60
    )
    return ended.stdout.strip()


def reached(hosts: Hosts, host: str, other: str) -> str:
    return run(hosts, host, sys.executable, "-c", REACHED, ADDRESSES[other])


def test_a_host_is_cut_off_and_put_back(hosts: Hosts, tmp_path: Path) -> None:
    assert reached(hosts, "a", "b") == reached(hosts, "b", "c") == "reached"
    hosts.cut("b", seconds=0.0)
    assert reached(hosts, "a", "b") == reached(hosts, "b", "c") == "silent"
    assert reached(hosts, "a", "c") == "reached"
    hosts.tend()
    assert reached(hosts, "a", "b") == "reached"
    assert not hosts.cut_until


def test_each_has_a_name_and_a_folder_of_its_own(hosts: Hosts, tmp_path: Path) -> None:
    assert [run(hosts, host, "hostname") for host in "ab"] == ["host-a", "host-b"]
    run(hosts, "a", "touch", "/tmp/ray/mine", "/dev/shm/mine")
    assert (tmp_path / "a/mine").exists()
    assert run(hosts, "b", "ls", "/tmp/ray", "/dev/shm") == "/dev/shm:\n\n/tmp/ray:"
    assert not Path("/dev/shm/mine").exists()
