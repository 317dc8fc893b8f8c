"""What a start finds: requests to earlier runs, which go, and files that cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sweep.cli import experiment
from sweep.cli.flags import options_of
from sweep.plan.grid import Plan
from sweep.plan.inception_weights import Weights
from sweep.plan.options import Options
from sweep.run import launch
from sweep.store import requests
from sweep.store.ownership import acquire
from sweep.store.store import Store
from sweep.table1 import TABLE1
from trainer.config.lookup import UsageError

PLAN = ["--profile=digits", "--settings=C_8-32", "--iterations=4", "--name=s"]
Start = Callable[..., list[list[str]]]


def planned(root: Path, *flags: str) -> tuple[Plan, Options]:
    args = experiment.parser(TABLE1).parse_args([*PLAN, f"--results={root}", *flags])
    plan, _ = experiment._grid(args)
    return plan, options_of("table1", args, Weights(path=None, sha256=None))


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Starts the command, up to where Ray would start, and returns the actions that are asked
    for then, and once a stop was asked for meanwhile."""

    def actions() -> list[str]:
        return [request["action"] for request in requests.read_requests(Store(tmp_path), "s")]

    def started(*flags: str) -> list[list[str]]:
        found: list[list[str]] = []

        def run_owned(store: Store, *_: Any) -> int:
            found.append(actions())
            requests.ask(store, "s", requests.STOP_SWEEP)
            found.append(actions())
            return 0

        monkeypatch.setattr(launch, "_run_owned", run_owned)
        plan, options = planned(tmp_path, *flags)
        assert launch.launch("table1", plan, options) == 0
        return found

    return started


@pytest.mark.parametrize("flags", [(), ("--share",)])
def test_requests_to_an_earlier_run_go_before_ray_starts(
    start: Start, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    requests.ask(Store(tmp_path), "s", requests.RETRY_TRIAL, "t")
    assert start(*flags) == [[], [requests.STOP_SWEEP]]


def test_requests_to_those_that_share_outlast_another_start(start: Start, tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = acquire(store, "sweeps/s.json", state="running")
    assert first is not None
    requests.ask(store, "s", requests.RETRY_TRIAL, "t")
    assert start("--share")[0] == [requests.RETRY_TRIAL]
    first.release()


@pytest.mark.parametrize("before", [None, b'{"state": "finished"}'])
def test_a_row_that_cannot_be_read_leaves_the_record_as_it_was(
    tmp_path: Path, before: bytes | None
) -> None:
    plan, options = planned(tmp_path)
    store = Store(tmp_path)
    trial_id = plan.trials[0].trial_id
    store.write(f"trials/{trial_id}.parquet", b"no Parquet")
    if before is not None:
        store.write("sweeps/s.json", before)
    with pytest.raises(UsageError, match=f"cannot read trials/{trial_id}.parquet in"):
        launch.launch("table1", plan, options)
    assert store.read("sweeps/s.json") == before
