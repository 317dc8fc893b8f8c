"""A command of the sweep whose trials are stubs: each reports twice and writes its row.

    python tests/benchmarks/stub_driver.py FIGURES SECONDS sweep.table1 --profile digits ...

The checkout is the first one on PYTHONPATH, of this layout or of the one that had all modules of
the sweep in one folder. FIGURES is written at the end, in JSON. SIGTERM ends the sweep SECONDS
after its first report, if it has not ended by then.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import runpy
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

figures: dict[str, Any] = {"reports": 0, "ended": 0, "report_cpu": 0.0}
figures |= {"suggested": 0, "suggestion_seconds": []}


def module(*names: str) -> Any:
    """The first module of these names that there is."""
    for name in names[:-1]:
        if importlib.util.find_spec(name.rpartition(".")[0]) and importlib.util.find_spec(name):
            return importlib.import_module(name)
    return importlib.import_module(names[-1])


def stub(config: Any, task: Any, report: Callable[[dict[str, Any]], None], *orders: Any) -> None:
    """Stands in for `trainable.run`; runs in a worker, which knows nothing of this file."""
    import dataclasses
    import hashlib
    import importlib
    import json
    from datetime import UTC, datetime

    def first(*names: str) -> Any:
        try:
            return importlib.import_module(names[0])
        except ModuleNotFoundError:
            return importlib.import_module(names[1])

    rows = first("sweep.run.rows", "sweep.rows")
    store = first("sweep.store.store", "sweep.results").Store(task.results)
    trial_id = config.trial_id
    score = int(hashlib.sha256(trial_id.encode()).hexdigest()[:4], 16) / 100
    base = {"trial": trial_id, "resumed_at": 0, "verdict": "healthy", "modes": 100}
    base |= {"distance": score, "best": score, "spectrum_left": 0.5}
    half = config.iterations // 2
    report(base | {"status": "running", "iteration": half, "spent": 0.01})
    row = {
        **rows.identity_row(config),
        "status": "completed",
        "iteration": config.iterations,
        "best_iteration": half,
        "best_fd_digits": score,
        "final_fd_digits": score,
        "final_modes": 100,
        "final_spectrum_left": 0.5,
        "objective": score,
        "seconds": 0.02,
        "failures": 0,
        "config": json.dumps(dataclasses.asdict(config), sort_keys=True),
        "started_at": datetime.now(UTC),
        "updated_at": datetime.now(UTC),
    }
    store.write_rows("trials", trial_id, [row])
    report(base | {"status": "completed", "iteration": config.iterations, "spent": 0.02})


def run_stub(config: Any) -> None:
    """Stands in for `run_trial` of the module that knows Ray; pickled by value."""
    import importlib

    try:
        trainable = importlib.import_module("sweep.run.trainable")
    except ModuleNotFoundError:
        trainable = importlib.import_module("sweep.trainable")
    setattr(trainable, "run", stub)  # noqa: B010, a module known at run time alone
    real_run_trial(config)


def watch_reports(driver: Any, seconds: float) -> None:
    """Counts reports and their CPU time on the driver's main thread; ends the sweep in time."""
    name = "on_report" if hasattr(driver, "on_report") else "reported"
    handle = getattr(driver, name)

    def watched(self: Any, result: Any) -> None:
        if not figures["reports"]:
            figures["first_report_cpu"] = time.process_time()
            figures["first_report_at"] = time.time()
        start = time.thread_time()
        handle(self, result)
        figures["report_cpu"] += time.thread_time() - start
        figures["reports"] += 1
        figures["ended"] += result["status"] != "running"
        figures["last_report_cpu"] = time.process_time()
        figures["last_report_at"] = now = time.time()
        if now - figures["first_report_at"] > seconds and "terminated_at" not in figures:
            figures["terminated_at"] = now
            os.kill(os.getpid(), signal.SIGTERM)

    setattr(driver, name, watched)


def watch_suggestions(driver: Any) -> None:
    """Notes the seconds of the driver's main thread that each call for a suggestion takes."""
    suggest = driver.suggest

    def watched(self: Any) -> Any:
        start = time.perf_counter()
        config = suggest(self)
        figures["suggestion_seconds"].append(time.perf_counter() - start)
        figures["suggested"] += config is not None
        return config

    driver.suggest = watched


def memory(name: str) -> float:
    """VmRSS or VmHWM of this process, in MiB."""
    status = Path("/proc/self/status").read_text()
    (kilobytes,) = re.findall(rf"{name}:\s+(\d+) kB", status)
    return int(kilobytes) / 1024


def main() -> None:
    path, seconds, command, *arguments = sys.argv[1:]
    global real_run_trial
    ray_module = module("sweep.run.ray_cluster", "sweep.execution")
    real_run_trial = ray_module.run_trial
    ray_module.run_trial = run_stub
    driver = module("sweep.run.driver", "sweep.driver").Driver
    watch_reports(driver, float(seconds))
    watch_suggestions(driver)
    figures["main_at"] = time.time()
    try:
        sys.argv[1:] = arguments
        runpy.run_module(command, run_name="__main__")
    finally:
        children = os.times()
        figures["cpu"] = time.process_time()
        figures["children_cpu"] = children.children_user + children.children_system
        figures["peak_mib"] = memory("VmHWM")
        figures["ended_at"] = time.time()
        Path(path).write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
