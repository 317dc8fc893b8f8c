"""CPUs of machines that are folders (`tests.machines`), and of this one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.machines import (
    CONTAINERS,
    CPUS,
    FIRST,
    SECOND,
    container,
    machine,
    slurm_step,
    systemd_unit,
)
from trainer.machine_limits import cpus


@pytest.mark.usefixtures("big_machine")
def test_a_machine_without_limits_has_what_it_has(tmp_path: Path) -> None:
    assert cpus(tmp_path) == CPUS


@pytest.mark.usefixtures("big_machine")
def test_limits_of_a_slurm_job_stand_above_its_step(tmp_path: Path) -> None:
    assert cpus(slurm_step(tmp_path)) == 3


@pytest.mark.usefixtures("big_machine")
def test_limits_of_a_systemd_unit_are_found_on_the_way_up(tmp_path: Path) -> None:
    assert cpus(systemd_unit(tmp_path)) == 2


@pytest.mark.usefixtures("big_machine")
@pytest.mark.parametrize(("mounted", "path"), CONTAINERS)
def test_limits_of_a_container_stand_at_the_top(tmp_path: Path, mounted: str, path: str) -> None:
    assert cpus(container(tmp_path, mounted, path)) == 4


@pytest.mark.usefixtures("big_machine")
def test_less_than_a_cpu_is_a_cpu(tmp_path: Path) -> None:
    root = machine(tmp_path, {
        "proc/self/mountinfo": SECOND,
        "proc/self/cgroup": "0::/\n",
        "sys/fs/cgroup/cpu.max": "50000 100000\n",
    })  # fmt: skip
    assert cpus(root) == 1


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
    assert cpus(root) == CPUS


def test_affinity_counts() -> None:
    """As `taskset -c 0` sets it."""
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(everywhere)})
    try:
        assert cpus() == 1
    finally:
        os.sched_setaffinity(0, everywhere)


def test_this_machine_has_a_number_that_makes_sense() -> None:
    assert 1 <= cpus() <= (os.cpu_count() or 1)
