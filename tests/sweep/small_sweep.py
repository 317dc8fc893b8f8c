"""A small sweep of two trials for tests of what happens to it: its plan, its process, its results.

Trials are SN and SR, of a few iterations each; a process of the sweep is a Driver.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sweep.store.store import Store
from tests.stored_rows import PASSING as OF_EVERY_RUN
from tests.stored_rows import TABLES, lasting_rows
from trainer.config.trial import trial_config

ITERATIONS = 10
PLAN = (
    "--profile=digits",
    "--settings=C_8-32",
    f"--iterations={ITERATIONS}",
    "--no-stop-on-collapse",
)
SN, SR = (
    trial_config("digits", "C_8-32", method, 0, iterations=ITERATIONS).trial_id
    for method in ("sn", "sr-static")
)
# What may differ where one run was killed.
PASSING = OF_EVERY_RUN | {"failures"}
# Trials without Ray, by their methods; ownership without a heartbeat lasts for argv[2] seconds.
WORKER = f"""
import sys
from sweep.run import trainable
from sweep.store import ownership
from trainer.config.trial import trial_config
ownership.STALE_SECONDS = float(sys.argv[2])
ownership.acquire.__kwdefaults__["every"] = 0.3
for method in sys.argv[3:]:
    config = trial_config("digits", "C_8-32", method, 0, iterations={ITERATIONS})
    task = trainable.Task(results=sys.argv[1], stop_on_collapse=False)
    trainable.run(config, task, lambda report: print(report["status"], flush=True))
"""


def results(root: Path | str, *trials: str) -> dict[str, Any]:
    """All rows and samples of the trials, without times, host and attempt; NaN as text."""
    store = Store(root)
    found: dict[str, Any] = {}
    for trial_id in trials or (SN, SR):
        for table in TABLES:
            found[f"{table} {trial_id}"] = lasting_rows(store, table, trial_id, PASSING)
        for sample in store.list(f"samples/{trial_id}"):
            found[sample.path] = store.read(sample.path)
        found[f"checkpoints {trial_id}"] = [
            file.key for file in store.list(f"checkpoints/{trial_id}")
        ]
    return found


def checkpointed(root: Path | str) -> dict[str, int]:
    """When the sample of every evaluation up to its trial's latest checkpoint was written.

    Each evaluation writes its sample once; one that is computed again writes it again.
    """
    store, found = Store(root), {}
    for trial_id in (SN, SR):
        latest = max((int(f.key) for f in store.list(f"checkpoints/{trial_id}")), default=-1)
        for sample in store.list(f"samples/{trial_id}"):
            if int(sample.key) <= latest:
                found[sample.path] = sample.mtime_ns
    return found


def assert_kept(root: Path | str, before: dict[str, int]) -> None:
    store = Store(root)
    now = {f.path: f.mtime_ns for i in (SN, SR) for f in store.list(f"samples/{i}")}
    assert before
    assert {path: now.get(path) for path in before} == before


def wait_until(true: Callable[[], Any], seconds: float, every: float = 0.1) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(every)


class Driver:
    """A sweep in a process of its own; what it says is in `said()`."""

    def __init__(self, environment: dict[str, str], log: Path, *arguments: str) -> None:
        self.log = log
        with open(log, "w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                env=environment,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def said(self) -> str:
        return self.log.read_text()

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.said().splitlines() if line.startswith("{")]

    def wait(self) -> int:
        return self.process.wait(240)

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(90)

    def wait_for(self, root: Path, **latest: int) -> None:
        """Until each trial has a checkpoint of at least that iteration."""

        def there() -> bool:
            assert self.process.poll() is None, self.said()
            return all(
                any(int(path.stem) >= at for path in (root / "checkpoints" / i).glob("*.pt"))
                for i, at in ((SN, latest.get("sn", 0)), (SR, latest.get("sr", 0)))
            )

        wait_until(there, 200)
