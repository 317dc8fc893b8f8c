"""What benchmarks measured, run after run: a line of JSON each in results.jsonl.

A figure is a number under a name that stays the same from run to run. Printed beside it is its
change against the last run of the same benchmark on the same kind of machine.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results.jsonl")
PACKAGES = ("torch", "ray", "pyarrow", "fastapi", "torch-fidelity")


def record(benchmark: str, figures: Mapping[str, float], device: str = "cpu") -> None:
    """Prints the figures with their change, and appends them to results.jsonl."""
    machine = kind_of_machine(device)
    before = last(benchmark, machine)
    width = max(map(len, figures), default=0)
    for name, value in figures.items():
        say(f"  {name:{width}}  {value:10.4g}{_change(value, before.get(name))}")
    line = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "benchmark": benchmark,
        "machine": machine,
        "versions": versions(),
        "command": shlex.join(["python", *map(_short, sys.argv)]),
        "figures": dict(figures),
    }
    with RESULTS.open("a") as file:
        file.write(json.dumps(line) + "\n")


def last(benchmark: str, machine: str) -> dict[str, float]:
    """The figures of the last run of the benchmark on such a machine; empty if there is none."""
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    for line in map(json.loads, reversed(lines)):
        if (line["benchmark"], line["machine"]) == (benchmark, machine):
            return line["figures"]
    return {}


def kind_of_machine(device: str = "cpu") -> str:
    """The GPU's name, or the processor's and how many cores this process may use."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name(device)
    return f"{_processor()}, {len(os.sched_getaffinity(0))} cores"


def versions() -> dict[str, str]:
    """Of Python and of the packages that the figures depend on, where they are installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - what a benchmark is for


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def _change(value: float, before: float | None) -> str:
    return f"  {value / before - 1:+.1%} since the last run" if before else ""


def _short(argument: Any) -> str:
    """Without the folder in which the checkout or a store happens to lie."""
    path = Path(argument)
    return path.name if path.is_absolute() else str(argument)
