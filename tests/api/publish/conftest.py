"""A store with one sweep of every status and a rescue, served and published."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from sweep.store.store import Store
from tests.api.servers import serving
from tests.api.stores import (
    START,
    age,
    identity,
    write_diverged,
    write_driver,
    write_plan,
    write_trial,
)

ROOT = Path(__file__).parents[3]


def write_sweep(store: Store) -> None:
    """The sweep `small`: SN, SR and a control, one that failed, diverged, is planned, a branch."""
    trials = [
        identity(setting, method, seed)
        for setting in ("C_32-32", "B_64-64")
        for method in ("sn", "sr-static", "sn-renorm")
        for seed in (0, 1)
    ]
    for who in trials[:-3]:
        write_trial(store, who)
    write_diverged(store, trials[-3])
    write_trial(store, trials[-2], "failed")
    branch = identity("C_32-32", "sr-dynamic", 7)
    branch |= {"parent": trials[0]["trial_id"], "parent_iteration": 300}
    write_trial(store, branch)
    write_plan(store, "small", [*trials, branch])
    write_driver(store, "small", state="finished", heartbeat=START.isoformat(), eta_seconds=None)


def publish(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs `python -m sweep.publish`, as a person does."""
    command = [sys.executable, "-m", "sweep.publish", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a store with that sweep alone."""
    root = tmp_path_factory.mktemp("small")
    write_sweep(Store(root))
    age(root)
    return root


@pytest.fixture(scope="session")
def service(small: Path) -> Iterator[httpx2.Client]:
    with serving(small) as client:
        yield client


@pytest.fixture(scope="session")
def published(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the command made of it."""
    out = tmp_path_factory.mktemp("site") / "small"
    done = publish("small", out, "--results", small)
    assert done.returncode == 0, done.stderr
    assert "13 trials" in done.stdout
    return out
