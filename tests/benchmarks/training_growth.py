"""Time and peak memory of a training iteration by width, batch and resolution.

One size is changed at a time, from D of width 64, 16 images and 32 pixels. On a CPU G is narrow
and n_critic 1, so that nothing takes long; on a GPU both are the recipe's. Expected are times in
proportion to the operations that the trainer's model counts, and the memory that the sweep's
counts, without its margin.

As a command, with a configuration's changes as JSON, it prints the bytes by which two iterations
raise the peak of a process that has just started.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from curves import Curve
from noise import noise
from timing import medians

from sweep.plan.gpu_memory import MARGIN, WORKSPACE_BYTES, _images_bytes, memory_bytes, parameters
from trainer.config.costs import launches, network_operations, operations
from trainer.config.traffic import traffic
from trainer.config.trial import TrialConfig, trial_config
from trainer.state import initial_state
from trainer.updates import train_iteration

BASE = {"channels": 64, "batch_size": 16, "resolution": 32}
AXES: Mapping[str, tuple[str, tuple[int, ...]]] = {
    "CH": ("channels", (32, 64, 128, 256)),
    "batch": ("batch_size", (8, 16, 32, 64, 128, 256)),
    "pixels": ("resolution", (8, 16, 32)),
}
SMALL = {"n_critic": 1, "generator_channels": 32}
Sizes = tuple[tuple[str, int], ...]


def config_of(sizes: Mapping[str, int], device: str) -> TrialConfig:
    """Few samples at an evaluation, so that memory is training's."""
    batch = sizes["batch_size"]
    changes: dict[str, Any] = {
        **sizes, "micro_batch": batch, "generator_batch_size": 2 * batch, "curve_samples": 16,
        "device": device, **(SMALL if device == "cpu" else {}),
    }  # fmt: skip
    return trial_config("paper", "B_64-64", "sn", 0, **changes)


def curves(device: str, repetitions: int) -> list[Curve]:
    """Of time and memory along each axis; times in turn, peaks each in a process of its own."""
    points: set[Sizes] = {
        tuple({**BASE, field: size}.items()) for field, sizes in AXES.values() for size in sizes
    }
    configs = {point: config_of(dict(point), device) for point in sorted(points)}
    runs = {json.dumps(point): iteration(config) for point, config in configs.items()}
    times = medians(runs, repetitions, device)
    peaks = {point: peak(dict(point), device) / 1e6 for point in configs}
    found = []
    for axis, (field, sizes) in AXES.items():
        chosen = [tuple({**BASE, field: size}.items()) for size in sizes]
        found += [
            Curve(
                axis=axis,
                what="iteration",
                unit="s",
                sizes=sizes,
                cost=[times[json.dumps(point)] for point in chosen],
                expected=[operations(configs[point]) for point in chosen],
            ),
            Curve(
                axis=axis,
                what="peak memory",
                unit="MB",
                sizes=sizes,
                cost=[peaks[point] for point in chosen],
                expected=[memory(configs[point]) / 1e6 for point in chosen],
            ),
        ]
    return found


def iteration(config: TrialConfig) -> Callable[[], object]:
    """On images of noise, for their content costs nothing."""
    data = noise(config)
    state = initial_state(config)
    return lambda: train_iteration(config, state, data)


def memory(config: TrialConfig) -> float:
    """Bytes that the sweep's model counts, without the data set and what it adds for a GPU."""
    counted = (memory_bytes(config) - WORKSPACE_BYTES) / (1 + MARGIN)
    return counted - _images_bytes(config)


def peak(sizes: Mapping[str, int], device: str) -> int:
    """Bytes, from a fresh process."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__)), device, json.dumps(sizes)],
        check=True, capture_output=True, text=True,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "OMP_NUM_THREADS": str(torch.get_num_threads()),
        },
    )  # fmt: skip
    return int(done.stdout)


def measured_peak(sizes: Mapping[str, int], device: str) -> int:
    """Beyond what libraries and a small iteration have taken."""
    iteration(config_of({"channels": 4, "batch_size": 2, "resolution": 8}, device))()
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    before = _high_water(device)
    train = iteration(config_of(sizes, device))
    train()
    train()
    return _high_water(device) - before


def _high_water(device: str) -> int:
    """The most bytes that the process has had. Not getrusage: a process that another one starts
    inherits that one's peak there."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM:"))
    return 1024 * int(line.split()[1])


def networks(device: str) -> list[str]:
    """What the networks of each resolution consist of; those of 128 pixels have more blocks."""
    lines = [f"{'pixels':>6}{'blocks G, D':>12}{'weights':>10}{'MFLOP forward G, D':>20}"
             f"{'operators':>11}{'GFLOP':>9}{'GB':>7}   of an iteration"]  # fmt: skip
    for side, blocks in ((8, (3, 4)), (16, (3, 4)), (32, (3, 4)), (128, (5, 6))):
        c = config_of({**BASE, "resolution": side}, device)
        g, d = network_operations(c)
        flop = 2 * operations(c) / c.iterations
        lines.append(
            f"{side:6}{'{}, {}'.format(*blocks):>12}{sum(parameters(c)) / 1e6:9.2f}M"
            f"{f'{2 * g / 1e6:.1f}, {2 * d / 1e6:.1f}':>20}{launches(c) / c.iterations:11.0f}"
            f"{flop / 1e9:9.1f}{traffic(c) / 1e9:7.2f}"
        )
    return lines


if __name__ == "__main__":
    sys.stdout.write(f"{measured_peak(json.loads(sys.argv[2]), sys.argv[1])}\n")
