"""Machines as folders like those that Linux shows: of Slurm, of containers, of systemd."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

GIB = 2**30
CPUS, GIBIBYTES = 64, 256

# What is mounted: the first version of cgroups, the second.
FIRST = """\
31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
36 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
"""
SECOND = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"

SLURM_JOB = "slurm_node1/uid_1000/job_7"


def machine(root: Path, files: Mapping[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def slurm_step(root: Path) -> Path:
    """As slurmd 22.05 makes it (cgroup v1): the step has no limits, its job has 3 CPUs, 6 GiB."""
    memory, cpu = "sys/fs/cgroup/memory", "sys/fs/cgroup/cpu,cpuacct"
    step = f"/{SLURM_JOB}/step_0"
    return machine(root, {
        "proc/self/mountinfo": FIRST,
        "proc/self/cgroup": f"4:memory:{step}/task_0\n3:cpu,cpuacct:{step}\n",
        f"{memory}{step}/task_0/memory.limit_in_bytes": "9223372036854771712\n",
        f"{memory}/{SLURM_JOB}/memory.limit_in_bytes": f"{6 * GIB}\n",
        f"{memory}/memory.limit_in_bytes": "9223372036854771712\n",
        f"{cpu}/{SLURM_JOB}/cpu.cfs_quota_us": "300000\n",
        f"{cpu}/{SLURM_JOB}/cpu.cfs_period_us": "100000\n",
        f"{cpu}/cpu.cfs_quota_us": "-1\n",
        f"{cpu}/cpu.cfs_period_us": "100000\n",
    })  # fmt: skip


def systemd_unit(root: Path) -> Path:
    """The unit has no limits, the slice above it has 2.5 CPUs and 8 GiB."""
    slice_ = "sys/fs/cgroup/user.slice"
    return machine(root, {
        "proc/self/mountinfo": SECOND,
        "proc/self/cgroup": "0::/user.slice/run-1.scope\n",
        f"{slice_}/run-1.scope/cpu.max": "max 100000\n",
        f"{slice_}/run-1.scope/memory.max": "max\n",
        f"{slice_}/cpu.max": "250000 100000\n",
        f"{slice_}/memory.max": f"{8 * GIB}\n",
    })  # fmt: skip


# Of containers, with a namespace of their own and without, and where the two do not match.
CONTAINERS = [
    ("/", "/"),
    ("/kubepods/pod1/main", "/kubepods/pod1/main"),
    ("/", "/../../pod1"),
    ("/docker/1", "/"),
]


def container(root: Path, mounted: str, path: str) -> Path:
    """4 CPUs and 24 GiB at the top of what is mounted."""
    return machine(root, {
        "proc/self/mountinfo": SECOND.replace(" / ", f" {mounted} ", 1),
        "proc/self/cgroup": f"0::{path}\n",
        "sys/fs/cgroup/cpu.max": "400000 100000\n",
        "sys/fs/cgroup/memory.max": f"{24 * GIB}\n",
    })  # fmt: skip


def pretend_a_big_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """`CPUS` and `GIBIBYTES`, and no Slurm."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(CPUS)), raising=False)
    for name in ("SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU", "SLURM_CPUS_ON_NODE"):
        monkeypatch.delenv(name, raising=False)
    values = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": GIBIBYTES * GIB // 4096}
    monkeypatch.setattr(os, "sysconf", values.__getitem__)
