"""Three hosts on one machine: each with a network, a name, shared memory and a Ray of its own.

A bridge in a fourth network joins them, from which a host can be cut off and put back. Linux and
root. Nothing of it is seen outside, and all of it goes with the processes that hold it.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.campaign.plan import environment
from tests.campaign.processes import die_with_parent
from tests.processes import kill

TOOLS = ("ip", "unshare", "nsenter", "mount", "setsid")
NAMES = ("a", "b", "c")
# Of no network outside: the bridge leads nowhere.
ADDRESSES = {name: f"10.77.9.{number}" for number, name in enumerate(NAMES, start=1)}
PORT = 6379
SHARED_MEMORY = "size=512m"
OBJECT_STORE_BYTES = 100_000_000
UP_SECONDS = 120.0


def missing() -> str | None:
    """Why hosts cannot be made here; None if they can."""
    if os.geteuid() != 0:
        return "root is needed"
    if absent := [tool for tool in TOOLS if shutil.which(tool) is None]:
        return f"not installed: {', '.join(absent)}"
    command = ["unshare", "-n", "-u", "-m", "ip", "link", "add", "br0", "type", "bridge"]
    tried = subprocess.run(command, capture_output=True, text=True, check=False)
    return None if tried.returncode == 0 else f"`{' '.join(command)}`: {tried.stderr.strip()}"


@dataclass(slots=True)
class Hosts:
    """The hosts by the processes that hold their namespaces, and the Ray that runs on each."""

    folder: Path
    holders: dict[str, int] = field(default_factory=dict)
    rays: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    # When each host that is cut off is put back.
    cut_until: dict[str, float] = field(default_factory=dict)
    token: str = field(default_factory=lambda: secrets.token_hex(32))

    def inside(self, host: str, *command: str) -> list[str]:
        """The command as it runs on a host."""
        holder = str(self.holders[host])
        return ["nsenter", "-t", holder, "-n", "-u", "-m", "--", *command]

    def at_switch(self) -> list[str]:
        """Begin of a command in the network that joins the hosts."""
        return ["nsenter", "-t", str(self.holders["switch"]), "-n"]

    def environment(self) -> dict[str, str]:
        """What a command on any host needs to reach the cluster."""
        return environment(Path("/tmp/ray")) | {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.token,
            "RAY_ADDRESS": f"{ADDRESSES['a']}:{PORT}",
        }

    def cut(self, host: str, seconds: float) -> None:
        """Takes a host off the network; `tend` puts it back after so many seconds."""
        self._link(host, "down")
        self.cut_until[host] = time.monotonic() + seconds

    def tend(self) -> None:
        """Puts hosts back whose time is over, and starts Ray where it has ended, as a service
        manager does."""
        for host, until in list(self.cut_until.items()):
            if time.monotonic() > until:
                self._link(host, "up")
                del self.cut_until[host]
        for host, ray in list(self.rays.items()):
            if ray.poll() is not None:
                self.start_ray(host)

    def start_ray(self, host: str) -> None:
        """Starts the head on `a`, which runs no trial, else a node with a trial's CPU."""
        code = "from ray.scripts.scripts import main; main()"
        place = ["--address", f"{ADDRESSES['a']}:{PORT}", "--num-cpus=1"]
        if host == "a":
            place = ["--head", f"--port={PORT}", "--num-cpus=0", "--include-dashboard=false"]
        options = [
            *("start", "--block", "--disable-usage-stats", f"--node-ip-address={ADDRESSES[host]}"),
            f"--object-store-memory={OBJECT_STORE_BYTES}",
        ]
        surroundings = self.environment()
        del surroundings["RAY_ADDRESS"]
        with (self.folder / f"ray-{host}.log").open("ab") as log:
            self.rays[host] = subprocess.Popen(
                self.inside(host, sys.executable, "-c", code, *options, *place),
                env=surroundings,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _link(self, host: str, state: str) -> None:
        _sh(self.at_switch(), f"ip link set v{host} {state}")


@contextmanager
def three_hosts(folder: Path) -> Iterator[Hosts]:
    """Makes the hosts, without Ray. What runs on them ends with the block."""
    hosts = Hosts(folder)
    holders: list[subprocess.Popen[bytes]] = []
    try:
        holders.append(_holder("-n"))
        hosts.holders["switch"] = holders[-1].pid
        _sh(hosts.at_switch(), _SWITCH)
        for host in NAMES:
            holders.append(_holder("-n", "-u", "-m"))
            hosts.holders[host] = holders[-1].pid
            plug = f"ip link add v{host} type veth peer name eth0 netns {holders[-1].pid}"
            _sh(hosts.at_switch(), f"{plug} && ip link set v{host} master br0 up")
            private = folder / host
            private.mkdir(parents=True)
            _sh(hosts.inside(host), _host(host, private))
        yield hosts
    finally:
        for process in (*hosts.rays.values(), *holders):
            kill(process.pid)
            process.wait(30)


def start_cluster(hosts: Hosts) -> None:
    """Starts Ray on the hosts and waits until all of them are in it. Raises OSError."""
    for host in NAMES:
        hosts.start_ray(host)
    _wait_until_up(hosts)


_SWITCH = "ip link add br0 type bridge; ip link set br0 up; ip link set lo up"


def _host(name: str, private: Path) -> str:
    """Shell commands that furnish a host: its name, folder for Ray, shared memory, network."""
    return f"""set -e
hostname host-{name}
mount --make-rprivate /
mkdir -p /tmp/ray
mount --bind {private} /tmp/ray
mount -t tmpfs -o {SHARED_MEMORY} tmpfs /dev/shm
ip link set lo up
ip addr add {ADDRESSES[name]}/24 dev eth0
ip link set eth0 up
ip route add default dev eth0
"""


def _holder(*namespaces: str) -> subprocess.Popen[bytes]:
    """A process that holds new namespaces open; it has them once it is `sleep`."""
    command = ["unshare", *namespaces, "sleep", "infinity"]
    process = subprocess.Popen(command, start_new_session=True, preexec_fn=die_with_parent)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{process.pid}/comm").read_text().strip() != "sleep":
        if time.monotonic() > deadline or process.poll() is not None:
            raise OSError(f"{' '.join(command)} did not come up")
        time.sleep(0.01)
    return process


def _sh(prefix: list[str], script: str) -> None:
    subprocess.run([*prefix, "sh", "-c", script], check=True, stdin=subprocess.DEVNULL)


def _wait_until_up(hosts: Hosts) -> None:
    """Until a driver on the head's host sees every node. Raises OSError."""
    code = (
        "import ray; ray.init(log_to_driver=False, logging_level='ERROR')\n"
        "raise SystemExit(sum(node['Alive'] for node in ray.nodes()) < 3)"
    )
    surroundings: Mapping[str, str] = hosts.environment()
    deadline = time.monotonic() + UP_SECONDS
    while True:
        asked = subprocess.run(
            hosts.inside("a", sys.executable, "-c", code),
            env=surroundings,
            capture_output=True,
            text=True,
            check=False,
        )
        if asked.returncode == 0:
            return
        if time.monotonic() > deadline:
            raise OSError(f"the cluster of three hosts is not up: {asked.stderr[-2000:]}")
        time.sleep(1)
