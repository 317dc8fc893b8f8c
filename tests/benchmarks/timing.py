"""Times of parts that take turns within one run, so that a drift of the machine cancels."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping

import torch

Clock = Callable[[], float]


def seconds(
    work: Callable[[], object], device: str = "cpu", clock: Clock = time.perf_counter
) -> float:
    """How long work() takes by the clock, to the end of what it told the device to do."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    start = clock()
    work()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return clock() - start


def medians(
    parts: Mapping[str, Callable[[], object]],
    repetitions: int,
    device: str = "cpu",
    clock: Clock = time.perf_counter,
) -> dict[str, float]:
    """Median time of each part in s: all of them in every repetition, each time in another order.

    An untimed round comes first.
    """
    order = list(parts)
    rng = random.Random(0)
    times: dict[str, list[float]] = {name: [] for name in parts}
    for repetition in range(repetitions + 1):
        rng.shuffle(order)
        for name in order:
            taken = seconds(parts[name], device, clock)
            if repetition:
                times[name].append(taken)
    return {name: statistics.median(values) for name, values in times.items()}
