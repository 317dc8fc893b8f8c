"""What is said where Ray is started on one node although there are more."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from ray._private import utils as ray_utils

from sweep.cli.experiment import main as main_of_experiment
from sweep.run import unused_nodes
from sweep.table1 import TABLE1

VARIABLES = ("SLURM_JOB_NUM_NODES", "SLURM_NNODES", "SLURM_STEP_NUM_NODES")


@pytest.fixture(autouse=True)
def ray_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where `ray start` leaves the address of the cluster that runs on this machine."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    path = Path(ray_utils.get_ray_address_file(None))  # pyright: ignore[reportPrivateImportUsage]
    assert path.is_relative_to(tmp_path)
    path.parent.mkdir()
    return path


@pytest.fixture
def port() -> Iterator[int]:
    """A port on which something listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    ("job", "shared", "is_warned"),
    [
        ({}, False, False),
        ({"SLURM_JOB_NUM_NODES": "1"}, False, False),
        ({"SLURM_JOB_NUM_NODES": "2"}, False, True),
        ({"SLURM_NNODES": "3"}, False, True),
        ({"SLURM_JOB_NUM_NODES": "2", "SLURM_STEP_NUM_NODES": "1"}, True, True),
        ({"SLURM_JOB_NUM_NODES": "2", "SLURM_STEP_NUM_NODES": "2"}, False, True),
        # `srun python -m sweep.table1 --share`: a start on every node.
        ({"SLURM_JOB_NUM_NODES": "2", "SLURM_STEP_NUM_NODES": "2"}, True, False),
    ],
)
def test_nodes_of_a_job_that_stay_unused_are_said(
    job: dict[str, str], shared: bool, is_warned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in job.items():
        monkeypatch.setenv(name, value)
    said = unused_nodes.warning(shared=shared)
    assert (said is not None) == is_warned
    if said is not None:
        nodes = job.get("SLURM_JOB_NUM_NODES") or job["SLURM_NNODES"]
        assert said.startswith(f"WARNING: this Slurm job has {nodes} nodes")
        assert "--ray-address" in said
        assert "\n" not in said


def test_a_cluster_that_runs_here_is_said(ray_file: Path, port: int) -> None:
    ray_file.write_text(f"127.0.0.1:{port}")
    said = unused_nodes.warning(shared=False)
    assert said is not None
    assert f"--ray-address 127.0.0.1:{port} joins it" in said


def test_a_cluster_that_has_ended_is_none(ray_file: Path, port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        gone = server.getsockname()[1]
    for content in (f"127.0.0.1:{gone}", "", "nonsense"):
        ray_file.write_text(content)
        assert unused_nodes.warning(shared=False) is None


def test_a_dry_run_says_it_and_with_a_cluster_nobody_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "2")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    command = ["--profile=digits", "--settings=C_8-32", "--dry-run", f"--results={tmp_path}"]
    assert main_of_experiment(TABLE1, command) == 0
    assert "WARNING: this Slurm job has 2 nodes" in capsys.readouterr().out
    monkeypatch.setattr("sweep.run.dryrun.visible_nodes", lambda _: ([{"CPU": 4.0}], None))
    assert main_of_experiment(TABLE1, [*command, "--ray-address=10.0.0.1:6379"]) == 0
    assert "WARNING" not in capsys.readouterr().out
