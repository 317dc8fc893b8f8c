"""A Slurm of several nodes on one machine: slurmctld, and a slurmd for each node.

Each node has a network, a name, processes, shared memory and a folder for Ray of its own; a bridge
in another network joins them. Linux and root, with Debian's slurm-wlm and munge. Nothing of it is
seen outside, and all of it goes with the processes that hold the namespaces.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.campaign.hosts import missing as hosts_missing
from tests.campaign.processes import die_with_parent
from tests.processes import kill

TOOLS = ("slurmctld", "slurmd", "sbatch", "srun", "munged", "mungekey")
# Of no network outside: the bridge leads nowhere.
NETWORK = "10.77.8"
UP_SECONDS = 60.0


def missing() -> str | None:
    """Why Slurm cannot be started here; None if it can."""
    if absent := [tool for tool in TOOLS if shutil.which(tool) is None]:
        return f"not installed: {', '.join(absent)} (Debian: slurm-wlm munge)"
    return hosts_missing()


@dataclass(slots=True)
class Slurm:
    """A running Slurm; `holders` are the processes of its nodes' namespaces by the node's name."""

    folder: Path
    holders: dict[str, int] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """What a command needs to reach this Slurm, with the interpreter of the tests in front."""
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("SLURM", "RAY", "SWEEP"))}
        path = f"{Path(sys.executable).parent}:/usr/sbin:/sbin:{os.environ['PATH']}"
        root = str(Path(__file__).parents[2])
        return kept | {
            "PATH": path,
            "PYTHONPATH": root,
            "OMP_NUM_THREADS": "1",
            "SLURM_CONF": str(self.folder / "slurm.conf"),
        }

    def inside(self, node: str, *command: str) -> list[str]:
        """The command as it runs on a node."""
        return ["nsenter", "-t", str(self.holders[node]), "-a", "--wd=/tmp", "--", *command]

    def run(self, *command: str, **environment: str) -> str:
        """Runs a command of Slurm on the first node; returns what it says."""
        ran = subprocess.run(
            self.inside(next(iter(self.holders)), *command),
            env=self.environment() | environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return ran.stdout

    def submit(self, *arguments: str, **environment: str) -> str:
        """Submits a job; returns its id."""
        return self.run("sbatch", "--parsable", *arguments, **environment).strip()

    def start_soon(self, job: str) -> None:
        """Lets a job that was queued again start in 5 s, where Slurm waits two minutes.

        At once a node would take its credential for the one that it has just revoked.
        """
        self.run("scontrol", "update", f"JobId={job}", "StartTime=now+5")

    def states(self, job: str) -> dict[str, str]:
        """States of a job, or of each task of an array, by id."""
        shown = ("--noheader", "--states=all", "--array", "--format=%i %T")
        said = self.run("squeue", *shown, f"--jobs={job}")
        return dict(line.split() for line in said.splitlines())

    def state(self, job: str, task: str | None = None) -> str:
        return self.states(job)[task or job]


@contextmanager
def slurm_cluster(folder: Path, nodes: int = 2, cpus: int = 2) -> Iterator[Slurm]:
    """Starts a Slurm of so many nodes, each with so many CPUs; ends it with the block."""
    names = [f"node{number}" for number in range(1, nodes + 1)]
    slurm = Slurm(folder)
    processes: list[subprocess.Popen[bytes]] = []
    switch = _holder(processes, "-n")
    try:
        _sh(["nsenter", "-t", str(switch), "-n"], _SWITCH)
        _write_configuration(folder, names, cpus)
        for number, name in enumerate(names, start=1):
            slurm.holders[name] = _holder(processes, "-n", "-u", "-m", "-p", "-i")
            plug = f"ip link add v{number} type veth peer name eth0 netns {slurm.holders[name]}"
            join = f"{plug} && ip link set v{number} master br0 up"
            _sh(["nsenter", "-t", str(switch), "-n"], join)
            _sh(slurm.inside(name), _node(folder, name, number))
        first = names[0]
        daemons = {f"slurmctld {first}": ("slurmctld", "-D", "-i")}
        daemons |= {f"slurmd {name}": ("slurmd", "-D", "-N", name) for name in names}
        munge = folder / "munge"
        _sh(
            slurm.inside(first),
            f"munged --key-file={munge}/key --socket={munge}/socket "
            f"--pid-file={munge}/pid --log-file={munge}/log --seed-file={munge}/seed --force",
        )
        for daemon, command in daemons.items():
            _start(slurm, processes, daemon.split()[1], command)
        _wait_until_idle(slurm, nodes)
        yield slurm
    finally:
        for process in reversed(processes):
            kill(process.pid)
            process.wait(30)


_SWITCH = "ip link add br0 type bridge; ip link set br0 up; ip link set lo up"


def _node(folder: Path, name: str, number: int) -> str:
    """Shell commands that furnish a node: its name, folder for Ray, shared memory, network."""
    return f"""set -e
hostname {name}
mount --make-rprivate /
mkdir -p /tmp/ray {folder}/{name}/ray
mount --bind {folder}/{name}/ray /tmp/ray
mount --bind {folder}/hosts /etc/hosts
mount -t tmpfs -o size=600m tmpfs /dev/shm
ip link set lo up
ip addr add {NETWORK}.{number}/24 dev eth0
ip link set eth0 up
ip route add default dev eth0
"""


def _write_configuration(folder: Path, names: list[str], cpus: int) -> None:
    for name in ("state", "munge", *names):
        (folder / name).mkdir(parents=True)
    (folder / "munge").chmod(0o755)
    subprocess.run(["mungekey", "--create", f"--keyfile={folder}/munge/key"], check=True)
    addresses = [f"{NETWORK}.{number} {name}" for number, name in enumerate(names, start=1)]
    (folder / "hosts").write_text("\n".join(["127.0.0.1 localhost", *addresses, ""]))
    lines = [f"NodeName={name} NodeAddr={name} CPUs={cpus} RealMemory=8000" for name in names]
    (folder / "slurm.conf").write_text(f"""\
ClusterName=test
SlurmctldHost={names[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
SchedulerParameters=sched_interval=2,bf_interval=2
SlurmdParameters=config_overrides
{chr(10).join(lines)}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
""")


def _holder(processes: list[subprocess.Popen[bytes]], *namespaces: str) -> int:
    """Starts a process that holds new namespaces open, and reaps in one for processes."""
    if "-p" not in namespaces:
        command = ["unshare", *namespaces, "sleep", "infinity"]
    else:
        reaper = "while :; do sleep 1; done"
        command = [
            "unshare",
            *namespaces,
            "--fork",
            "--kill-child",
            "--mount-proc",
            "bash",
            "-c",
            reaper,
        ]
    process = subprocess.Popen(command, start_new_session=True, preexec_fn=die_with_parent)
    processes.append(process)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        name = Path(f"/proc/{process.pid}/comm").read_text().strip()
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        if name == "sleep":
            return process.pid
        if "-p" in namespaces and children:
            child = Path(f"/proc/{children[0]}/comm").read_text().strip()
            if child == "bash":
                return int(children[0])
        time.sleep(0.02)
    raise OSError(f"{' '.join(command)} did not come up")


def _start(
    slurm: Slurm, processes: list[subprocess.Popen[bytes]], node: str, command: tuple[str, ...]
) -> None:
    log = (slurm.folder / f"{command[0]}-{node}.out").open("wb")
    with log:
        process = subprocess.Popen(
            slurm.inside(node, *command),
            env=slurm.environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    processes.append(process)


def _sh(prefix: list[str], script: str) -> None:
    subprocess.run([*prefix, "sh", "-c", script], check=True, stdin=subprocess.DEVNULL)


def _wait_until_idle(slurm: Slurm, nodes: int) -> None:
    """Until every node is there. Raises OSError."""
    deadline = time.monotonic() + UP_SECONDS
    while True:
        try:
            said = slurm.run("sinfo", "--noheader", "-N", "-o%T")
        except subprocess.CalledProcessError as error:
            said = error.stderr
        if said.split() == ["idle"] * nodes:
            return
        if time.monotonic() > deadline:
            raise OSError(f"Slurm did not come up: {said}")
        time.sleep(0.5)
