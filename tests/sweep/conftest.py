"""Commands as a person runs them, and rows as a sweep leaves them."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.fs as pafs
import pytest

from sweep.paper.table2 import SettingRow, table2
from sweep.store.processes import own_record
from sweep.store.store import Store
from tests.endpoints import address_of, by_way_of
from tests.sweep.proxy import Proxy
from tests.sweep.small_sweep import WORKER, results

ROOT = Path(__file__).parents[2]
SURROUNDINGS = ("RAY_ADDRESS", "RAY_JOB_ID", "RAY_JOB_CONFIG_JSON_ENV_VAR", "SWEEP_RESULTS")


@pytest.fixture(autouse=True)
def no_cluster_of_another_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """--ray-address names the cluster to the whole process, in which other tests follow."""
    # Set first, or there would be nothing to restore.
    monkeypatch.setenv("RAY_ADDRESS", "")
    monkeypatch.delenv("RAY_ADDRESS")


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
def bucket_root(s3_root: str) -> str:
    """A root of its own in the bucket."""
    return s3_root.replace("/results", f"/{uuid.uuid4().hex}", 1)


@pytest.fixture
def behind_proxy(bucket_root: str) -> Iterator[tuple[str, Proxy]]:
    """A root of its own in the bucket, reached through a proxy that holds requests back."""
    proxy = Proxy(address_of(bucket_root))
    yield by_way_of(bucket_root, proxy.port), proxy
    proxy.close()


@pytest.fixture
def trial() -> Callable[..., dict[str, Any]]:
    """A finished row of `trials`, with what the test says of it."""

    def row(**says: Any) -> dict[str, Any]:
        config = {"n_critic": 1, "batch_size": 16, "seed": says.get("seed", 0)}
        base = {
            "trial_id": f"{says.get('method', 'sn')}-{says.get('seed', 0)}",
            "profile": "digits",
            "setting": "C_32-32",
            "group": "C",
            "setting_batch_size": 32,
            "setting_channels": 32,
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
            "not_judged": "{}",
            "updated_at": datetime(2026, 1, 1, tzinfo=UTC),
        }
        base |= says
        base["config"] = json.dumps(config | {"iterations": base["iterations"]})
        return base

    return row


IDENTITY = (
    "trial_id", "profile", "setting", "group", "setting_batch_size", "setting_channels",
    "batch_size", "channels", "method", "i_ratio", "seed", "iterations", "dataset",
)  # fmt: skip


@pytest.fixture
def write_sweep() -> Callable[..., None]:
    """Writes a plan of rows of `trials`, those that have begun, and what the driver says."""

    def write(store: Store, name: str, rows: Sequence[dict[str, Any]], **driver: Any) -> None:
        plan = [
            {"sweep": name, "position": place, "operations": float(row["iterations"])}
            | {key: row[key] for key in IDENTITY}
            for place, row in enumerate(rows)
        ]
        store.write_rows("sweeps", name, plan)
        for row in rows:
            if row["status"] != "planned":
                store.write_rows("trials", row["trial_id"], [row])
        if driver:
            store.write(f"sweeps/{name}.json", json.dumps(driver).encode())

    return write


@pytest.fixture
def mixed(
    tmp_path: Path, trial: Callable[..., dict[str, Any]], write_sweep: Callable[..., None]
) -> Store:
    """A sweep `mixed` with a trial in every state, that its driver ended by Ctrl-C.

    The owner of the first running trial is live, that of the second is not.
    """
    store = Store(tmp_path / "results")
    started = datetime.now(UTC) - timedelta(seconds=100)
    half = {"iteration": 750, "seconds": 54.0, "updated_at": datetime.now(UTC)}
    base = {"iteration": 1500, "seconds": 360.0, "started_at": started}

    def one(setting: str, method: str, seed: int, status: str, **says: Any) -> dict[str, Any]:
        i_ratio = 0.5 if method == "sr-static" else None
        trial_id = f"digits.{setting}.{method}.{i_ratio or '-'}.s{seed}-00000000"
        return trial(
            **{"trial_id": trial_id, "setting": setting, "method": method, "seed": seed},
            **{"i_ratio": i_ratio, "status": status, **base, **says},
        )

    rows = [
        one("C_32-32", "sn", 0, "collapsed", iteration=600, mode_collapse_at=300),
        one("C_32-32", "sn", 1, "completed", best_fd_digits=math.nan),
        one("C_32-32", "sr-static", 0, "running", **half),
        one("C_32-32", "sr-static", 1, "running", **half),
        one("B_64-64", "sn", 0, "failed", traceback="Traceback:\n  x\nRuntimeError: no luck\n"),
        one("B_64-64", "sn", 1, "stopped", **half),
        one("B_64-64", "sr-static", 0, "planned"),
        one("B_64-64", "sr-static", 1, "planned"),
    ]
    now = datetime.now(UTC).isoformat()
    write_sweep(store, "mixed", rows, state="interrupted", heartbeat=now, host="h", command="x")
    mine = own_record() | {"heartbeat": now, "attempt": "a"}
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    owners = mine, mine | {"pid": int(gone.stdout), "pid_started": 1}
    for row, owner in zip(rows[2:4], owners, strict=True):
        store.write(f"claims/{row['trial_id']}.json", json.dumps(owner).encode())
    return store


@pytest.fixture
def compared(trial: Callable[..., dict[str, Any]]) -> list[SettingRow]:
    """SN collapses and SR does not, on three seeds, 100, 110 and 120 better; one control seed."""
    trials = [
        trial(seed=s, best_fd_digits=1000.0 + s, mode_collapse_at=300, status="collapsed")
        for s in range(3)
    ]
    trials += [
        trial(seed=s, method="sr-static", i_ratio=0.5, best_fd_digits=900.0 - s) for s in range(3)
    ]
    trials += [trial(seed=0, method="sn-renorm", best_fd_digits=950.0, spectral_collapse_at=9)]
    values = {f"sn-{s}": 1000.0 for s in range(3)}
    values |= {f"sr-static-{s}": 900.0 - 10 * s for s in range(3)} | {"sn-renorm-0": 1020.0}
    return table2(trials, lambda i: [{"iteration": 100, "fd_digits": values[i], "fid": None}])


@pytest.fixture(scope="session")
def whole(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The results of both trials, that nothing disturbs."""
    root = tmp_path_factory.mktemp("whole")
    command = [sys.executable, "-c", WORKER, str(root), "60", "sn", "sr-static"]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return results(root)
