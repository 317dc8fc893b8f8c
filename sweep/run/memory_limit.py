"""Bytes of memory that this process may use: of its cgroups, its Slurm job, the machine.

Ray takes the machine's for its own, or what stands at the root of the cgroup tree.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from sweep.run.slurm_variables import number
from trainer.machine_limits import ROOT, cgroups, words


def memory_bytes(root: Path = ROOT) -> int:
    """Bytes that this process may use; `root` as for `trainer.machine_limits.cpus`."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([physical, *_memory_limits(root), *_slurm_memory()])


def _memory_limits(root: Path) -> Iterator[int]:
    """Bytes that each cgroup of this process grants, where it has a limit."""
    for folder in cgroups("memory", root):
        limit = words(folder / "memory.max") or words(folder / "memory.limit_in_bytes")
        if len(limit) == 1 and limit[0].isdecimal():
            yield int(limit[0])


def _slurm_memory() -> Iterator[int]:
    """Bytes of this node that the Slurm job was given: not every Slurm keeps it to them by cgroup.

    The variables are in MiB; --mem=0, which is all of the node, sets none.
    """
    names = ("SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU", "SLURM_CPUS_ON_NODE")
    per_node, per_cpu, cpus_on_node = map(number, names)
    if mebibytes := per_node or per_cpu * cpus_on_node:
        yield mebibytes * 2**20
