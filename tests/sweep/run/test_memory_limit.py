"""Memory of machines that are folders (`tests.machines`), and of this one."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweep.run.memory_limit import memory_bytes
from tests.machines import (
    CONTAINERS,
    GIB,
    GIBIBYTES,
    container,
    slurm_step,
    systemd_unit,
)


@pytest.mark.usefixtures("big_machine")
def test_a_machine_without_limits_has_what_it_has(tmp_path: Path) -> None:
    assert memory_bytes(tmp_path) == GIBIBYTES * GIB


@pytest.mark.usefixtures("big_machine")
def test_limits_of_a_slurm_job_stand_above_its_step(tmp_path: Path) -> None:
    assert memory_bytes(slurm_step(tmp_path)) == 6 * GIB


@pytest.mark.usefixtures("big_machine")
def test_limits_of_a_systemd_unit_are_found_on_the_way_up(tmp_path: Path) -> None:
    assert memory_bytes(systemd_unit(tmp_path)) == 8 * GIB


@pytest.mark.usefixtures("big_machine")
@pytest.mark.parametrize(("mounted", "path"), CONTAINERS)
def test_limits_of_a_container_stand_at_the_top(tmp_path: Path, mounted: str, path: str) -> None:
    assert memory_bytes(container(tmp_path, mounted, path)) == 24 * GIB


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
    assert memory_bytes(tmp_path) == gibibytes * GIB


def test_this_machine_has_a_number_that_makes_sense() -> None:
    assert 2**28 < memory_bytes() < 2**46
