"""Nodes that a command leaves unused, as it starts a Ray of its own: what to say of them.

Ray joins a cluster only where it is named: by --ray-address or RAY_ADDRESS, which `ray start` and
`ray symmetric-run` (2.60) leave to whoever starts the command.
"""

from __future__ import annotations

import os
from pathlib import Path

from sweep.run.cluster_watch import host_and_port, reaches
from sweep.run.slurm_variables import number


def warning(*, shared: bool) -> str | None:
    """One line on nodes of this Slurm job, or on a cluster that runs here; None if there is none.

    Starts that share a sweep may run on every node of a job, each with a Ray of its own.
    """
    nodes = number("SLURM_JOB_NUM_NODES") or number("SLURM_NNODES")
    if nodes > 1 and not (shared and number("SLURM_STEP_NUM_NODES") > 1):
        return (
            f"WARNING: this Slurm job has {nodes} nodes, and Ray is started on this one alone: "
            "start it on all of them, as deploy/slurm/nodes.sbatch does, and give --ray-address"
        )
    if (address := _running_here()) is not None:
        return (
            f"WARNING: a Ray cluster runs here, and is not used, as Ray is started anew: "
            f"--ray-address {address} joins it"
        )
    return None


def _running_here() -> str | None:
    """Address of the cluster that `ray start` left here, if it answers.

    Without Ray, whose import takes a second: a dry run needs none.
    """
    try:
        address = (_ray_folder() / "ray_current_cluster").read_text().strip()
    except OSError:
        return None
    listener = host_and_port(address)
    return address if listener is not None and reaches(listener) else None


def _ray_folder() -> Path:
    """Ray's folder for temporary files on Linux, as its get_default_system_temp_dir() has it."""
    return Path(os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp") / "ray"
