"""The batch files of deploy/slurm on a real Slurm of two nodes, and what they name."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sweep.store.store import Store
from tests.deploy import slurm
from tests.deploy.slurm import Slurm, slurm_cluster
from tests.sweep.small_sweep import wait_until

ROOT = Path(__file__).parents[2]
FILES = ROOT / "deploy" / "slurm"
pytestmark = pytest.mark.timeout(400)

ENDED = {"COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "NODE_FAIL", "OUT_OF_MEMORY"}


@pytest.mark.parametrize("name", ["nodes.sbatch", "array.sbatch"])
def test_a_batch_file_is_a_script_and_queues_itself_again(name: str) -> None:
    path = FILES / name
    subprocess.run(["bash", "-n", str(path)], check=True)
    directives = re.findall(r"^#SBATCH (\S+)$", path.read_text(), flags=re.MULTILINE)
    assert {"--requeue", "--open-mode=append", "--signal=B:USR1@180"} <= set(directives)
    # What follows the first command of the script is not read.
    head = path.read_text().partition("\nset ")[0]
    assert len(re.findall(r"^#SBATCH ", head, flags=re.MULTILINE)) == len(directives)


@pytest.mark.parametrize(
    ("left", "is_short"),
    [("1:58", True), ("5:59", True), ("6:00", False), ("9:59", False), ("10:00", False),
     ("1-05:00:00", False), ("UNLIMITED", False)],
)  # fmt: skip
def test_a_limit_that_is_too_short_is_said(left: str, is_short: bool, tmp_path: Path) -> None:
    """By `squeue`, as it writes what is left: both batch files ask it in the same words."""
    for name, script in {"squeue": f"echo {left}", "srun": "exit 0"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    variables = {"SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "1", "SLURM_CPUS_PER_TASK": "1"}
    ran = subprocess.run(
        ["bash", str(FILES / "array.sbatch"), "true"],
        env=os.environ | variables | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert ran.returncode == 0
    warning = (
        f"warning: {left} minutes are left, which may never get past the claim of a lost node"
    )
    assert ran.stderr.startswith(warning) == is_short
    assert is_short or not ran.stderr
    asking = r"^\[\[ \$left = .*\n.*>&2$"
    texts = [re.findall(asking, path.read_text(), re.M) for path in FILES.glob("*.sbatch")]
    assert texts[0] == texts[1]
    assert len(texts[0]) == 1


def test_ray_has_the_options_that_the_batch_file_gives(
    ray_flags: Callable[[list[str]], set[str]],
) -> None:
    text = (FILES / "nodes.sbatch").read_text()
    own = re.findall(r"--[a-z-]+", text.partition("ray=(")[2].partition("step()")[0])
    own += re.findall(r"--[a-z-]+", text.partition('"${ray[@]}" \\\n')[2].partition("&")[0])
    assert {"--block", "--num-cpus", "--memory", "--head", "--port"} <= set(own)
    assert set(own) <= ray_flags(["start"])


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    if reason := slurm.missing():
        pytest.skip(f"Slurm cannot be started here: {reason}")
    with slurm_cluster(tmp_path_factory.mktemp("slurm")) as running:
        yield running


def sweep_of(root: Path, iterations: int, seeds: str) -> list[str]:
    return [
        *("python", "-m", "sweep.table1", "--profile=digits", "--settings=C_8-32"),
        *("--methods=sn", f"--seeds={seeds}", f"--iterations={iterations}"),
        *("--no-stop-on-collapse", "--name=s", "--json", f"--results={root}"),
    ]


def events(log: Path) -> list[dict[str, Any]]:
    lines = log.read_text().splitlines() if log.exists() else []
    return [json.loads(line) for line in lines if line.startswith("{")]


def evaluated(root: Path) -> int:
    return len(list((root / "evaluations").glob("*.parquet")))


def assert_every_row_once(root: Path, trials: int) -> None:
    store = Store(root)
    keys = [file.key for file in store.list("trials")]
    assert len(keys) == trials
    for key in keys:
        (row,) = store.read_rows("trials", key)
        assert row["status"] == "completed"
        iterations = [row["iteration"] for row in store.read_rows("evaluations", key)]
        assert iterations == sorted(set(iterations))
        assert iterations[-1] == row["iterations"]
    assert store.list("claims") == []


@pytest.mark.slow
def test_a_job_on_two_nodes_queues_itself_again_and_goes_on(
    cluster: Slurm, tmp_path: Path
) -> None:
    """The signal is the one that Slurm sends before the limit; a limit is in minutes."""
    root, log = tmp_path / "results", tmp_path / "log"
    job = cluster.submit(
        *(
            f"--chdir={tmp_path}",
            f"--output={log}",
            "--cpus-per-task=1",
            "--mem=3000",
            "--time=10",
        ),
        *(str(FILES / "nodes.sbatch"), *sweep_of(root, iterations=60, seeds="0-1")),
    )
    wait_until(lambda: evaluated(root) == 2 or cluster.state(job) in ENDED, 120)
    cluster.run("scancel", "--batch", "--signal=USR1", job)
    wait_until(lambda: cluster.state(job) in {"PENDING", *ENDED}, 60)
    assert cluster.state(job) == "PENDING", log.read_text()
    store = Store(root)
    rows = [row for file in store.list("trials") for row in store.read_rows("trials", file.key)]
    hosts = {row["host"] for row in rows}
    assert hosts == set(cluster.holders), "both nodes have trained"
    cluster.start_soon(job)
    wait_until(lambda: cluster.state(job) in ENDED, 180)
    assert cluster.state(job) == "COMPLETED", log.read_text()
    resumed = [e for e in events(log) if e["event"] == "start"]
    assert len(resumed) == 2
    assert_every_row_once(root, 2)


STAND_IN = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
print(*sys.argv[1:], flush=True)
while True:
    time.sleep(0.1)
"""


@pytest.mark.slow
def test_a_task_near_its_limit_queues_itself_again_and_no_other(
    cluster: Slurm, tmp_path: Path
) -> None:
    """The number of the last task's job is that of the whole array."""
    (tmp_path / "sweep.py").write_text(STAND_IN)
    job = cluster.submit(
        *("--array=0-1", f"--chdir={tmp_path}", f"--output={tmp_path}/log%a", "--mem=100"),
        *(str(FILES / "array.sbatch"), "python", "sweep.py"),
    )
    logs = {f"{job}_{task}": tmp_path / f"log{task}" for task in range(2)}
    wait_until(lambda: all(log.exists() and log.read_text() for log in logs.values()), 30)
    for task, log in logs.items():
        assert log.read_text() == "--share\n"
        cluster.run("scancel", "--batch", "--signal=USR1", task)
        wait_until(lambda task=task: cluster.state(job, task) == "PENDING", 30)
        others = cluster.states(job).items() - {(task, "PENDING")}
        assert {state for _, state in others} == {"RUNNING"}
        cluster.start_soon(task)
        wait_until(lambda task=task: cluster.state(job, task) == "RUNNING", 30)
    cluster.run("scancel", job)


@pytest.mark.slow
def test_the_tasks_of_an_array_share_one_sweep(cluster: Slurm, tmp_path: Path) -> None:
    root = tmp_path / "results"
    job = cluster.submit(
        *(
            "--array=0-1",
            f"--chdir={tmp_path}",
            f"--output={tmp_path}/log%a",
            "--mem=3000",
            "--time=10",
        ),
        *(str(FILES / "array.sbatch"), *sweep_of(root, iterations=20, seeds="0-3")),
    )
    wait_until(lambda: set(cluster.states(job).values()) <= ENDED, 200)
    logs = [tmp_path / f"log{task}" for task in range(2)]
    said = "\n".join(log.read_text() for log in logs)
    assert set(cluster.states(job).values()) == {"COMPLETED"}, said
    starts = [next(e for e in events(log) if e["event"] == "start") for log in logs]
    assert [start["slots"] for start in starts] == [1, 1], "a CPU each, of the machine's"
    trained = [
        {e["trial_id"] for e in events(log) if e.get("status") == "running"} for log in logs
    ]
    assert all(trained)
    assert set(Counter(i for ids in trained for i in ids).values()) == {1}
    assert_every_row_once(root, 4)
