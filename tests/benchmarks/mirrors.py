"""Mirroring a run of 50 points of 5 scalars, beside a plain loop over the tracker's own API.

The loop does what its documentation shows: a run, a call for each point, the run's end. Mirroring
is the whole of it in one process: looking into the store, reading each trial's files, its marks.
Packages are imported before, MLflow is a server on SQLite in a process of its own, W&B is offline.
Rounds are interleaved, `--trials` runs each; a tracker whose package is absent is left out.

    python tests/benchmarks/mirrors.py [--trials 32] [--repetitions 3] [--trackers mlflow,wandb]
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ledger import record, say
from processes import free_port, start

from sweep.mirrors.follower import Follower
from sweep.mirrors.marks import Marks
from sweep.mirrors.opening import TRACKERS, open_tracker
from sweep.run.rows import identity_row, plan_rows
from sweep.store.store import Store
from trainer.config.lookup import UsageError
from trainer.config.trial import trial_config

POINTS, SCALARS = 50, ("seconds", "d_loss", "g_loss", "gap", "fd_digits")
Loop = Callable[[str, Path, int], None]


def values(step: int) -> dict[str, float]:
    return {name: 0.25 * step + k for k, name in enumerate(SCALARS)}


def write_sweep(root: Path, sweep: str, trials: int, seed: int) -> Store:
    store = Store(root)
    configs = [trial_config("digits", "C_8-32", "sn", seed + k) for k in range(trials)]
    store.write_rows("sweeps", sweep, plan_rows(sweep, configs))
    started_at = datetime(2026, 3, 1, tzinfo=UTC)
    for config in configs:
        rows = [{"trial_id": config.trial_id, "iteration": k, **values(k)} for k in range(POINTS)]
        store.write_rows("evaluations", config.trial_id, rows)
        row: dict[str, Any] = {"status": "completed", "iteration": POINTS - 1}
        row |= {"started_at": started_at, "updated_at": started_at, "seconds": 600.0}
        store.write_rows("trials", config.trial_id, [identity_row(config) | row])
    return store


def mlflow_loop(address: str, folder: Path, trials: int) -> None:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

    client = MlflowClient(address)
    experiment = client.create_experiment(f"plain-{time.time_ns()}")
    for _ in range(trials):
        run = client.create_run(experiment)
        for step in range(POINTS):
            now = int(time.time() * 1000)
            metrics = [Metric(name, value, now, step) for name, value in values(step).items()]
            client.log_batch(run.info.run_id, metrics)
        client.set_terminated(run.info.run_id)


def tensorboard_loop(address: str, folder: Path, trials: int) -> None:
    from torch.utils.tensorboard import SummaryWriter

    for k in range(trials):
        with SummaryWriter(folder / f"plain-{time.time_ns()}-{k}") as writer:
            for step in range(POINTS):
                for name, value in values(step).items():
                    writer.add_scalar(name, value, step)


def wandb_loop(address: str, folder: Path, trials: int) -> None:
    import wandb

    for _ in range(trials):
        with wandb.init(project="plain", dir=folder, mode="offline") as run:
            for step in range(POINTS):
                run.log(values(step), step=step)


def trackio_loop(address: str, folder: Path, trials: int) -> None:
    trackio = importlib.import_module("trackio")
    for k in range(trials):
        run = trackio.init(project="plain", name=f"{time.time_ns()}-{k}", embed=False)
        for step in range(POINTS):
            run.log(values(step), step=step)
        run.finish()


LOOPS: dict[str, Loop] = {
    "mlflow": mlflow_loop,
    "tensorboard": tensorboard_loop,
    "wandb": wandb_loop,
    "trackio": trackio_loop,
}


def mirrored(name: str, address: str, store: Store, sweep: str, trials: int) -> float:
    """Seconds to mirror all of a sweep."""
    tracker = open_tracker(name, address, sweep)
    marks = Marks(store=store, sweep=sweep, tracker=name, place=tracker.place)
    follower = Follower(
        store=store, sweep=sweep, tracker=tracker, marks=marks, service=None, say=say
    )
    started = time.perf_counter()
    follower.look()
    follower.send()
    seconds = time.perf_counter() - started
    assert (follower.n_points, len(follower.queue)) == (trials * POINTS, 0)
    return seconds


@contextlib.contextmanager
def address_of(name: str, folder: Path) -> Iterator[str]:
    if name != "mlflow":
        yield str(folder / name)
        return
    port = free_port()
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    command = [sys.executable, "-m", "mlflow", "server", "--workers=1", f"--port={port}"]
    command += [
        f"--backend-store-uri=sqlite:///{folder}/m.db",
        f"--artifacts-destination={folder}",
    ]
    with start(command, port) as server:
        server.wait("/health")
        yield f"http://127.0.0.1:{port}"


def measure(name: str, folder: Path, trials: int, repetitions: int) -> dict[str, float]:
    plain, own = [], []
    with address_of(name, folder) as address:
        # One run each first: it imports the packages and starts their processes.
        for repetition in range(repetitions + 1):
            n = trials if repetition else 1
            sweep = f"{name}{repetition}"
            store = write_sweep(folder / f"results-{sweep}", sweep, n, 1000 * repetition)
            own.append(mirrored(name, address, store, sweep, n) / n)
            started = time.perf_counter()
            LOOPS[name](address, folder, n)
            plain.append((time.perf_counter() - started) / n)
    loop, mirror = (1000 * statistics.median(times[1:]) for times in (plain, own))
    return {f"{name} plain ms": loop, f"{name} ms": mirror, f"{name} ratio": mirror / loop}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--trials", type=int, default=32)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--trackers", default=",".join(TRACKERS))
    options = parser.parse_args()
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        os.environ |= {"TRACKIO_DIR": f"{scratch}/trackio", "WANDB_SILENT": "true"}
        for name in options.trackers.split(","):
            try:
                figures |= measure(name, Path(scratch), options.trials, options.repetitions)
            except UsageError as error:
                say(f"{name}: {error}")
    record("mirrors", figures)


if __name__ == "__main__":
    main()
