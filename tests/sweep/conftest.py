"""Commands as a person runs them, and rows as a sweep leaves them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.fs as pafs
import pytest

ROOT = Path(__file__).parents[2]
SURROUNDINGS = ("RAY_ADDRESS", "RAY_JOB_ID", "RAY_JOB_CONFIG_JSON_ENV_VAR", "SWEEP_RESULTS")


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """Without what would tie a command to another cluster or store."""
    kept = {name: value for name, value in os.environ.items() if name not in SURROUNDINGS}
    return kept | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="session")
def table1(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `python -m sweep.table1 ...` from a folder that is not the checkout."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")

    def run(*arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "sweep.table1", *arguments],
            cwd=elsewhere,
            env=environment | extra,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def s3_root() -> Iterator[str]:
    """A bucket of an S3 server on loopback."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED")
    before = {name: os.environ.get(name) for name in names}
    os.environ |= dict(zip(names, ("test", "test", "true"), strict=True))
    where = f"?endpoint_override={host}:{port}&scheme=http&region=us-east-1"
    pafs.FileSystem.from_uri(f"s3://sweeps{where}&allow_bucket_creation=true")[0].create_dir(
        "sweeps"
    )
    yield f"s3://sweeps/results{where}"
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})
    server.stop()


@pytest.fixture
def trial() -> Callable[..., dict[str, Any]]:
    """A finished row of `trials`, with what the test says of it."""

    def row(**says: Any) -> dict[str, Any]:
        config = {"n_critic": 1, "batch_size": 16, "seed": says.get("seed", 0)}
        base = {
            "trial_id": f"{says.get('method', 'sn')}-{says.get('seed', 0)}",
            "profile": "digits",
            "setting": "C_32-32",
            "method": "sn",
            "i_ratio": None,
            "seed": 0,
            "parent": None,
            "protocol": None,
            "dataset": "digits8",
            "batch_size": 16,
            "channels": 16,
            "iterations": 1500,
            "status": "completed",
            "best_fd_digits": 900.0,
            "best_fid": None,
            "best_iteration": 1425,
            "final_fd_digits": 950.0,
            "final_fid": None,
            "final_modes": 120,
            "final_spectrum_left": 0.6,
            "mode_collapse_at": None,
            "spectral_collapse_at": None,
            "dead_at": None,
            "diverged_at": None,
            "updated_at": datetime(2026, 1, 1, tzinfo=UTC),
        }
        base |= says
        base["config"] = json.dumps(config | {"iterations": base["iterations"]})
        return base

    return row
