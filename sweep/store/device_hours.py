"""Hours that trials had of GPUs and of CPU threads, by their rows. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from sweep.store.vocabulary import Row

# Searched as text: parsing the configurations of ten thousand trials takes a tenth of a second.
_ON_GPU = re.compile(r'"device":\s*"cuda')
_THREADS = re.compile(r'"threads":\s*(\d+)')


@dataclass(frozen=True, slots=True)
class DeviceHours:
    """Hours of whole GPUs, `gpu`, and of CPU threads, `cpu`."""

    gpu: float
    cpu: float


def device_hours(rows: Iterable[Row]) -> DeviceHours:
    """Hours of training and evaluation of rows of `trials`, of all attempts.

    A trial that had a quarter of a GPU counts a quarter of its time, as it had it where it last
    ran; a row of an earlier version, which does not say, a whole one. A trial on a CPU counts its
    time for each of its threads, and not as time of a GPU.
    """
    gpu = cpu = 0.0
    for row in rows:
        seconds, config = row.get("seconds") or 0.0, row.get("config") or ""
        if _ON_GPU.search(config):
            share = row.get("gpus")
            gpu += seconds * (1.0 if share is None else share)
        else:
            threads = _THREADS.search(config)
            cpu += seconds * (int(threads[1]) if threads else 1)
    return DeviceHours(gpu=gpu / 3600, cpu=cpu / 3600)
