"""The sweep as a Ray job: submitted to a head of its own, followed to its end."""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sweep.store.store import Store
from trainer.config.trial import trial_config

ROOT = Path(__file__).parents[2]
ENTRYPOINT = (
    "-m sweep.table1 --profile digits --settings C_8-32 --iterations 2 --no-stop-on-collapse"
)


@pytest.fixture(scope="module")
def head(
    cluster: Callable[..., Any],
    environment: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Any]:
    outside = {name: value for name, value in environment.items() if name != "PYTHONPATH"}
    with cluster(tmp_path_factory.mktemp("head") / "home", outside) as head:
        yield head


def submit(head: Any, job: str, entrypoint: str, *options: str) -> None:
    submitted = head.command(
        *("job", "submit", "--no-wait", f"--address={head.dashboard}", *options),
        *(f"--submission-id={job}", "--", sys.executable, *entrypoint.split()),
    )
    assert submitted.returncode == 0, submitted.stdout + submitted.stderr


@pytest.mark.slow
def test_a_sweep_as_a_job(head: Any, tmp_path: Path) -> None:
    """The code comes with the job; nothing of it is installed or on the path of the head."""
    code = tmp_path / "code"
    for package in ("trainer", "sweep"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, code / package, ignore=ignore)
    submit(head, "table1", ENTRYPOINT, f"--working-dir={code}")
    info = head.follow("table1")
    logs = head.ask("/api/jobs/table1/logs")["logs"]
    assert (info["status"], info["driver_exit_code"]) == ("SUCCEEDED", 0), logs
    root = head.home / "sweep-results"
    assert re.search(rf"2 trials in {root}, 0 done, 2 to run, 2 at once", logs)
    rows = [
        row
        for file in Store(root).list("trials")
        for row in Store(root).read_rows("trials", file.key)
    ]
    assert {row["method"]: row["status"] for row in rows} == {
        "sn": "completed",
        "sr-static": "completed",
    }
    assert "\x1b" not in logs
    assert head.token not in logs


@pytest.mark.slow
def test_a_job_of_which_a_trial_failed(head: Any, tmp_path: Path) -> None:
    """Of an installed image: no code comes with it."""
    broken = trial_config("digits", "C_8-32", "sn", 0, iterations=2).trial_id
    other = trial_config("digits", "C_8-32", "sr-static", 0, iterations=2).trial_id
    Store(tmp_path).write(f"checkpoints/{broken}/1.pt", b"no checkpoint")
    submit(head, "failing", f"{ENTRYPOINT} --results {tmp_path}")
    info = head.follow("failing")
    logs = head.ask("/api/jobs/failing/logs")["logs"]
    assert (info["status"], info["driver_exit_code"]) == ("FAILED", 3), logs
    assert f"failed: {broken}" in logs
    rows = Store(tmp_path).read_all("trials", [broken, other])
    assert [rows[i]["status"] for i in (broken, other)] == ["failed", "completed"]


@pytest.mark.slow
def test_a_job_that_is_stopped_ends_gracefully(head: Any, tmp_path: Path) -> None:
    stop = {"RAY_JOB_STOP_SIGNAL": "SIGINT", "RAY_JOB_STOP_WAIT_TIME_S": "60"}
    submit(
        head,
        "stopped",
        f"{ENTRYPOINT.replace('--iterations 2', '--iterations 400')} --results {tmp_path}",
        f"--runtime-env-json={json.dumps({'env_vars': stop})}",
    )
    deadline = time.monotonic() + 240
    while len(list(tmp_path.glob("checkpoints/*/*.pt"))) < 3:
        assert head.ask("/api/jobs/stopped")["status"] in ("PENDING", "RUNNING")
        assert time.monotonic() < deadline
        time.sleep(0.5)
    head.ask("/api/jobs/stopped/stop", "POST")
    assert head.follow("stopped")["status"] == "STOPPED"
    (record,) = tmp_path.glob("sweeps/*.json")
    assert json.loads(record.read_text())["state"] == "interrupted"
    store = Store(tmp_path)
    assert store.list("claims") == []
    for file in store.list("trials"):
        (row,) = store.read_rows("trials", file.key)
        assert row["status"] == "stopped"
        assert row["iteration"] == store.read_rows("evaluations", file.key)[-1]["iteration"]
    assert "interrupted; the same command again" in head.ask("/api/jobs/stopped/logs")["logs"]
