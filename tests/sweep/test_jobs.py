"""The sweep as a Ray job: submitted to a head of its own, followed to its end."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sweep.results import Store
from tests.sweep.cluster import Head, ray, started

ROOT = Path(__file__).parents[2]
ENTRYPOINT = (
    "-m sweep.table1 --profile digits --settings C_8-32 --iterations 2 --no-stop-on-collapse"
)


@pytest.fixture(scope="module")
def head(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    outside = {name: value for name, value in environment.items() if name != "PYTHONPATH"}
    with started(tmp_path_factory.mktemp("head") / "home", outside) as head:
        yield head


@pytest.mark.slow
def test_a_sweep_as_a_job(head: Head, tmp_path: Path) -> None:
    """The code comes with the job; nothing of it is installed or on the path of the head."""
    code = tmp_path / "code"
    for package in ("trainer", "sweep"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, code / package, ignore=ignore)
    submitted = subprocess.run(
        [
            *ray("job", "submit", "--no-wait", f"--address={head.dashboard}"),
            f"--working-dir={code}",
            "--submission-id=table1",
            "--",
            sys.executable,
            *ENTRYPOINT.split(),
        ],
        env=head.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert submitted.returncode == 0, submitted.stdout + submitted.stderr
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
