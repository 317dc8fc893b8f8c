"""CPUs that this process may use, by affinity and cgroups, and the limits that its cgroups set.

The machine's count, and what stands at the root of the cgroup tree, where only a container finds
its limits, leave out those of `taskset`, of a Slurm job and of a systemd unit: they stand in the
affinity and in the process's own cgroup or one above it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")


def cpus(root: Path = ROOT) -> int:
    """Whole CPUs that this process may use at once, at least 1.

    `root` is where `proc` lies and the paths of its mount points begin.
    """
    affinity = getattr(os, "sched_getaffinity", None)  # macOS has none
    allowed = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, int(min([allowed, *_cpu_quotas(root)])))


def _cpu_quotas(root: Path) -> Iterator[float]:
    """CPUs that each cgroup of this process grants, where it has a quota."""
    for folder in cgroups("cpu", root):
        quota = words(folder / "cpu.max") or [
            *words(folder / "cpu.cfs_quota_us"),
            *words(folder / "cpu.cfs_period_us"),
        ]
        # "max", or -1 in the first version, is no quota.
        if len(quota) == 2 and all(word.isdecimal() for word in quota) and int(quota[1]):
            yield int(quota[0]) / int(quota[1])


def cgroups(controller: str, root: Path) -> Iterator[Path]:
    """Folders of this process's cgroups, each from its own up to the top that is mounted.

    `controller` is "cpu" or "memory", `root` as for `cpus`.
    """
    for mounted, mount_point, path in _trees(controller, root):
        # Of a process in a namespace of its own, what is mounted may not be above its path: then
        # the top is all that can be told.
        is_within = ".." not in path.parts and path.is_relative_to(mounted)
        inside = path.relative_to(mounted) if is_within else Path()
        folder = mount_point / inside
        yield from [folder, *folder.parents[: len(inside.parts)]]


def _trees(controller: str, root: Path) -> Iterator[tuple[Path, Path, Path]]:
    """Trees of cgroups, of either version, that may have the controller: which part of each is
    mounted, where, and the path of this process in the tree."""
    paths = [line.split(":", 2)[1:] for line in _lines(root / "proc/self/cgroup")]
    for line in _lines(root / "proc/self/mountinfo"):
        place, _, kind = line.partition(" - ")
        file_system, *_, options = kind.split() or [""]
        for controllers, path in paths:
            is_second = file_system == "cgroup2" and not controllers
            is_first = file_system == "cgroup" and all(
                controller in names.split(",") for names in (controllers, options)
            )
            if is_first or is_second:
                mounted, mount_point = place.split()[3:5]
                yield Path(mounted), root / mount_point.lstrip("/"), Path(path)


def words(path: Path) -> list[str]:
    """Words of a file of limits, none if it cannot be read."""
    return " ".join(_lines(path)).split()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:  # there is no such limit, or it is not ours to read
        return []
