"""Order in which trials start on a cluster with one place, where Tune holds all of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(300)

# Kills the worker of the first trial, seed 0, at its first report. Without reuse as on a GPU.
SCRIPT = """
import json, os, signal, sys
from sweep.plan.resources import Share
from sweep.run import ray_cluster
from sweep.run.queue import Backlog
from trainer.config.trial import trial_config

trials = [trial_config("digits", "C_8-32", "sn", seed, iterations=2) for seed in range(3)]
seeds = {config.trial_id: config.seed for config in trials}
backlog = Backlog(trials, lambda config: Share(cpus=1.0, gpus=0.0), max_deaths=1)
began, ended = [], []

def on_report(result):
    if result["iteration"] == 0:
        began.append(seeds[result["trial"]])
        if len(began) == 1:
            os.kill(result["pid"], signal.SIGKILL)

def on_end(trial_id, result):
    backlog.release(trial_id)
    ended.append([seeds[trial_id], result["status"]])

def on_death(trial_id, error, *, counts):
    assert backlog.lose(trial_id, counts=counts)

ray_cluster.connect()
ray_cluster.run_trials(
    backlog, {"results": sys.argv[1], "stop_on_collapse": False}, reuse=sys.argv[2] == "reuse",
    on_report=on_report, on_death=on_death, on_end=on_end, on_tick=lambda: None,
)
ray_cluster.disconnect()
print(json.dumps({"began": began, "ended": ended}))
"""


@pytest.fixture(scope="module")
def one_place(
    cluster: Callable[..., Any],
    environment: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, str]]:
    """The environment of a cluster with one CPU."""
    with cluster(tmp_path_factory.mktemp("one") / "home", environment, cpus=1) as head:
        yield head.environment | {"RAY_ADDRESS": head.address}


@pytest.mark.slow
@pytest.mark.parametrize("worker", ["reuse", "fresh"])
def test_a_trial_that_lost_its_worker_takes_the_next_free_place(
    one_place: dict[str, str], tmp_path: Path, worker: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), worker],
        env=one_place,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    order = json.loads(done.stdout.splitlines()[-1])
    # Seed 0 had a checkpoint of iteration 0 when it was killed, so it begins there once.
    assert order["ended"] == [[seed, "completed"] for seed in range(3)]
    assert order["began"] == [0, 1, 2]
    assert "did not complete" not in done.stderr, "of a trial that went on and ended"
