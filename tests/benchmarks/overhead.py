"""What stands between a command and its work: seconds to help, plan, status and first iteration.

Every command runs as a process of its own, in turn with the others. The first iteration is seen
from outside: the trial is asked to evaluate after each one, and the time runs from the command to
the rows of iteration 1 in the store, with everything on the way: Ray's start, the worker's, the
evaluation of iteration 0, that of iteration 1 and what both write.

    python tests/benchmarks/overhead.py [--repetitions 3]
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import store
from ledger import record, say
from timing import medians

TRIALS = 60
LOOK_SECONDS = 0.01
LONGEST_SECONDS = 120.0
ONE_TRIAL = ("--profile", "digits", "--settings", "C_32-32", "--methods", "sn", "--seeds", "0")
# An evaluation is due after every 20th part of a run.
ITERATIONS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--repetitions", type=int, default=3)
    repetitions = parser.parse_args().repetitions
    with tempfile.TemporaryDirectory() as scratch:
        say(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; medians of {repetitions}, s")
        figures = medians(commands(Path(scratch)), repetitions)
        starts = [first_iteration(Path(scratch) / f"start{k}") for k in range(repetitions)]
        figures |= {name: statistics.median(start[name] for start in starts) for name in starts[0]}
    record("overhead", figures)


def commands(scratch: Path) -> dict[str, Callable[[], None]]:
    """What only reads and plans, by the name of its figure."""
    root, data = scratch / "store", scratch / "data"
    store.write(root, TRIALS, seed=0, curves=(), odd=False)
    # A dry run looks whether the folder is there, not into it.
    (data / "cifar-10-batches-py").mkdir(parents=True)
    dry = ("sweep.table1", "--dry-run", "--results", f"{scratch}/new", "--profile")
    arguments = {
        "help": ("sweep.table1", "--help"),
        "dry run, digits": (*dry, "digits"),
        "dry run, paper": (*dry, "paper", "--data-root", str(data)),
        f"status of {TRIALS} trials": ("sweep.status", "--results", str(root)),
        f"ls of {TRIALS} trials": ("sweep.ls", "--results", str(root)),
    }
    return {name: lambda command=command: _run(command) for name, command in arguments.items()}


def _run(command: tuple[str, ...]) -> None:
    subprocess.run([sys.executable, "-m", *command], check=True, stdout=subprocess.DEVNULL)


def first_iteration(root: Path) -> dict[str, float]:
    """Seconds from the command to the trial's claim, its first rows and those of iteration 1.

    Raises RuntimeError if the command ends before, or takes longer than any of this may.
    """
    length = ("--iterations", str(ITERATIONS), "--results", str(root))
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "sweep.table1", *ONE_TRIAL, *length],
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    marks = {
        "worker ready": lambda: bool(list(root.glob("claims/digits.*.json"))),
        "first evaluation": lambda: _latest(root) >= 0,
        "first iteration": lambda: _latest(root) >= 1,
    }
    reached = {}
    try:
        for name, seen in marks.items():
            while not seen():
                if process.poll() is not None or time.perf_counter() - began > LONGEST_SECONDS:
                    raise RuntimeError(f"no {name} of the trial in {root}")
                time.sleep(LOOK_SECONDS)
            reached[name] = time.perf_counter() - began
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
    return reached


def _latest(root: Path) -> int:
    """Last iteration that the trial has rows of, -1 if none."""
    paths = root.glob("evaluations/digits.*")  # not the temporary file beside it
    rows = [pq.ParquetFile(path).read(["iteration"], use_threads=False) for path in paths]
    return max((table["iteration"][-1].as_py() for table in rows if len(table)), default=-1)


if __name__ == "__main__":
    main()
