"""Order in which trials start where there is one place, and Tune holds all of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(300)

# Kills the worker of the first trial, seed 0, at its first report. Without reuse as on a GPU.
SCRIPT = """
import json, os, signal, sys
from sweep.plan.resources import Share
from sweep.run import ray_cluster
from sweep.run.queue import Backlog
from trainer.config.trial import trial_config

def plan(first_seed):
    seeds = range(first_seed, first_seed + 3)
    options = {"iterations": 1, "final_samples": 1000}
    return [trial_config("digits", "C_8-32", "sn", seed, **options) for seed in seeds]

ray_cluster.connect()
(node,) = ray_cluster.nodes()
for first_seed, reuse in ((0, True), (10, False)):
    trials = plan(first_seed)
    seeds = {config.trial_id: config.seed for config in trials}
    backlog = Backlog(trials, lambda config: Share(cpus=node["CPU"], gpus=0.0), max_deaths=1)
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

    ray_cluster.run_trials(
        backlog, {"results": sys.argv[1], "stop_on_collapse": False}, reuse=reuse,
        on_report=on_report, on_death=on_death, on_end=on_end, on_tick=lambda *_: None,
    )
    print(json.dumps({"began": began, "ended": ended}), flush=True)
ray_cluster.disconnect()
"""


@pytest.mark.slow
def test_a_trial_that_lost_its_worker_takes_the_next_free_place(
    environment: dict[str, str], tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    orders = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    # The first trial had a checkpoint of iteration 0 when it was killed: it begins there once.
    assert [order["began"] for order in orders] == [[0, 1, 2], [10, 11, 12]]
    assert [order["ended"] for order in orders] == [
        [[seed, "completed"] for seed in order["began"]] for order in orders
    ]
    assert "did not complete" not in done.stderr, "of a trial that went on and ended"
