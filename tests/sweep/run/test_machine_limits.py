"""The machines are folders like those that Linux shows: of Slurm, of containers, of systemd."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from sweep.run import machine_limits

GIB = 2**30
FIRST = """\
31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
36 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
"""
SECOND = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


def machine(root: Path, files: Mapping[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


@pytest.fixture
def big_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of 64 CPUs and 256 GiB."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    for name in ("SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU", "SLURM_CPUS_ON_NODE"):
        monkeypatch.delenv(name, raising=False)
    values = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 256 * GIB // 4096}
    monkeypatch.setattr(os, "sysconf", values.__getitem__)


def limits(root: Path) -> tuple[int, float]:
    return machine_limits.cpus(root), machine_limits.memory_bytes(root) / GIB


@pytest.mark.usefixtures("big_machine")
def test_a_machine_without_limits_has_what_it_has(tmp_path: Path) -> None:
    assert limits(tmp_path) == (64, 256)


@pytest.mark.usefixtures("big_machine")
def test_limits_of_a_slurm_job_stand_above_its_step(tmp_path: Path) -> None:
    """As slurmd 22.05 makes them (cgroup v1): the step has none, the job has."""
    job, memory = "slurm_node1/uid_1000/job_7", "sys/fs/cgroup/memory"
    root = machine(tmp_path, {
        "proc/self/mountinfo": FIRST,
        "proc/self/cgroup": f"4:memory:/{job}/step_0/task_0\n3:cpu,cpuacct:/{job}/step_0\n",
        f"{memory}/{job}/step_0/task_0/memory.limit_in_bytes": "9223372036854771712\n",
        f"{memory}/{job}/memory.limit_in_bytes": f"{6 * GIB}\n",
        f"{memory}/memory.limit_in_bytes": "9223372036854771712\n",
        f"sys/fs/cgroup/cpu,cpuacct/{job}/cpu.cfs_quota_us": "300000\n",
        f"sys/fs/cgroup/cpu,cpuacct/{job}/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    })  # fmt: skip
    assert limits(root) == (3, 6)


@pytest.mark.usefixtures("big_machine")
def test_limits_of_a_systemd_unit_are_found_on_the_way_up(tmp_path: Path) -> None:
    slice_ = "sys/fs/cgroup/user.slice"
    root = machine(tmp_path, {
        "proc/self/mountinfo": SECOND,
        "proc/self/cgroup": "0::/user.slice/run-1.scope\n",
        f"{slice_}/run-1.scope/cpu.max": "max 100000\n",
        f"{slice_}/run-1.scope/memory.max": "max\n",
        f"{slice_}/cpu.max": "250000 100000\n",
        f"{slice_}/memory.max": f"{8 * GIB}\n",
    })  # fmt: skip
    assert limits(root) == (2, 8)


@pytest.mark.usefixtures("big_machine")
@pytest.mark.parametrize(
    ("mounted", "path"),
    [("/", "/"), ("/kubepods/pod1/main", "/kubepods/pod1/main"), ("/", "/../../pod1"),
     ("/docker/1", "/")],
)  # fmt: skip
def test_limits_of_a_container_stand_at_the_top(tmp_path: Path, mounted: str, path: str) -> None:
    """With a namespace of its own and without, and where the two do not match."""
    root = machine(tmp_path, {
        "proc/self/mountinfo": SECOND.replace(" / ", f" {mounted} ", 1),
        "proc/self/cgroup": f"0::{path}\n",
        "sys/fs/cgroup/cpu.max": "400000 100000\n",
        "sys/fs/cgroup/memory.max": f"{24 * GIB}\n",
    })  # fmt: skip
    assert limits(root) == (4, 24)


@pytest.mark.usefixtures("big_machine")
@pytest.mark.parametrize(
    ("job", "gibibytes"),
    [
        ({"SLURM_MEM_PER_NODE": "6144"}, 6),
        ({"SLURM_MEM_PER_CPU": "2048", "SLURM_CPUS_ON_NODE": "4"}, 8),
        ({"SLURM_MEM_PER_CPU": "2048"}, 256),
        ({"SLURM_MEM_PER_NODE": "0"}, 256),
        ({"SLURM_MEM_PER_NODE": "1048576"}, 256),
    ],
)
def test_memory_of_a_slurm_job_counts_without_cgroups(
    job: dict[str, str], gibibytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in job.items():
        monkeypatch.setenv(name, value)
    assert limits(tmp_path) == (64, gibibytes)


@pytest.mark.usefixtures("big_machine")
def test_less_than_a_cpu_is_a_cpu(tmp_path: Path) -> None:
    root = machine(tmp_path, {
        "proc/self/mountinfo": SECOND,
        "proc/self/cgroup": "0::/\n",
        "sys/fs/cgroup/cpu.max": "50000 100000\n",
    })  # fmt: skip
    assert machine_limits.cpus(root) == 1


@pytest.mark.usefixtures("big_machine")
def test_a_limit_of_another_process_is_not_ours(tmp_path: Path) -> None:
    """Where both versions are mounted, each has paths of its own."""
    root = machine(tmp_path, {
        "proc/self/mountinfo": FIRST + SECOND.replace("/sys/fs/cgroup", "/sys/fs/cgroup/unified"),
        "proc/self/cgroup": "3:cpu,cpuacct:/mine\n0::/second\n",
        "sys/fs/cgroup/cpu,cpuacct/second/cpu.cfs_quota_us": "100000\n",
        "sys/fs/cgroup/cpu,cpuacct/second/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/unified/mine/cpu.max": "100000 100000\n",
    })  # fmt: skip
    assert machine_limits.cpus(root) == 64


def test_affinity_counts() -> None:
    """As `taskset -c 0` sets it."""
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(everywhere)})
    try:
        assert machine_limits.cpus() == 1
    finally:
        os.sched_setaffinity(0, everywhere)


def test_this_machine_has_limits_that_make_sense() -> None:
    assert 1 <= machine_limits.cpus() <= (os.cpu_count() or 1)
    assert 2**28 < machine_limits.memory_bytes() < 2**46
