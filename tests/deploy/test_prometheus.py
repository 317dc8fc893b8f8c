"""A real Prometheus that scrapes real services: every alert fires, every panel has data."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from sweep.store.store import Store
from tests.api.servers import wait_for
from tests.api.stores import identity, write_driver, write_plan, write_trial
from tests.conftest import free_port
from tests.deploy.dashboard import VARIABLE, queries, variables

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy/prometheus"
PRICE, WATTS = 2.0, 500.0
# What Grafana puts for the variables of the dashboard.
VALUES = {"job": ".*", "sweep": ".*", "__rate_interval": "20s"}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("prometheus") is None,
        reason="no prometheus on PATH: nothing was scraped (apt-get install prometheus)",
    ),
]


def put_row(store: Store, who: dict[str, Any], **changes: Any) -> None:
    (row,) = store.read_rows("trials", who["trial_id"])
    store.write_rows("trials", who["trial_id"], [row | changes])


def fill(root: Path) -> Store:
    """Sweeps that run without an evaluation since March, that are stalled, and that are lost."""
    store, now = Store(root), datetime.now(UTC)
    on_gpu, collapsed, failed = (
        identity("C_32-32", method, 0) for method in ("sr-static", "sn", "sr-lift")
    )
    write_trial(store, on_gpu, "running")
    put_row(store, on_gpu, config='{"device": "cuda"}', gpus=0.5, seconds=7200.0)
    write_trial(store, collapsed)
    write_trial(store, failed, "failed")
    put_row(store, failed, failures=1)
    write_plan(store, "slow", [on_gpu, collapsed, failed])
    heard = {"slow": now + timedelta(hours=2), "gone": now - timedelta(hours=1), "cut-off": now}
    for name, heartbeat in heard.items():
        state = "lost" if name == "cut-off" else "running"
        write_driver(store, name, state=state, heartbeat=heartbeat.isoformat())
    store.write("trials/odd.parquet", b"nothing")
    return store


@contextmanager
def running(*command: str, ready: str, **options: Any) -> Iterator[None]:
    """A process, once it answers at `ready`, until the end."""
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options
    )

    def answers() -> bool:
        assert process.poll() is None, command
        with contextlib.suppress(httpx2.HTTPError):
            return httpx2.get(ready, timeout=5).status_code < 500
        return False

    try:
        wait_for(answers, 60)
        yield
    finally:
        process.terminate()
        process.wait(30)


def service(root: Path, port: int, token: Path) -> contextlib.AbstractContextManager[None]:
    return running(
        sys.executable, "-m", "api", f"--results={root}", f"--port={port}",
        f"--token-file={token}", f"--cache={root}.cache", f"--gpu-price={PRICE} USD",
        f"--gpu-power={WATTS}", ready=f"http://127.0.0.1:{port}/healthz",
    )  # fmt: skip


def configuration(folder: Path, token: Path, targets: list[str]) -> Path:
    """The files of deploy/prometheus, with these services, each second, and alerts at once."""
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    (job,) = (job for job in config["scrape_configs"] if job["job_name"] == "sweep")
    job["static_configs"] = [{"targets": targets}]
    job["authorization"] = {"credentials_file": str(token)}
    config["scrape_configs"] = [job]
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    rules = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())
    for rule in rules["groups"][0]["rules"]:
        rule.pop("for", None)
    (folder / config["rule_files"][0]).write_text(yaml.safe_dump(rules))
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """Prometheus' API; it scrapes a service with a store, one whose store cannot be read, and a
    port where nobody listens."""
    folder = tmp_path_factory.mktemp("prometheus")
    token, root, unreadable = folder / "token", folder / "results", folder / "unreadable"
    token.write_text(secrets.token_hex(32))
    store = fill(root)
    unreadable.mkdir()
    (unreadable / "trials").write_text("no folder")
    ports = [free_port() for _ in range(4)]
    targets = [f"127.0.0.1:{port}" for port in ports[:3]]
    config = configuration(folder, token, targets)
    home = f"http://127.0.0.1:{ports[3]}"
    scraping = running(
        "prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{ports[3]}", ready=f"{home}/-/ready",
    )  # fmt: skip
    with (
        service(root, ports[0], token),
        service(unreadable, ports[1], token),
        scraping,
        httpx2.Client(base_url=home, timeout=20) as client,
    ):
        wait_for(lambda: bool(ask(client, "sweep_trial_failures_total == 1")), 30)
        put_row(store, identity("C_32-32", "sr-lift", 0), failures=2)
        wait_for(lambda: bool(ask(client, "sweep_trial_failures_total == 2")), 30)
        wait_for(lambda: "SweepTrialsFail" in firing(client), 30)
        yield client


def firing(prometheus: httpx2.Client) -> dict[str, dict[str, str]]:
    """Labels of the alerts that fire, by name."""
    alerts = prometheus.get("/api/v1/alerts").json()["data"]["alerts"]
    labels = [alert["labels"] for alert in alerts if alert["state"] == "firing"]
    return {of_alert["alertname"]: of_alert for of_alert in labels}


def ask(prometheus: httpx2.Client, query: str) -> list[dict[str, Any]]:
    answer = prometheus.get("/api/v1/query", params={"query": query}).json()
    assert answer["status"] == "success", answer
    return answer["data"]["result"]


def filled(query: str) -> str:
    """The query as Grafana sends it."""
    return VARIABLE.sub(lambda match: VALUES[match[1]], query)


def test_every_alert_fires(prometheus: httpx2.Client) -> None:
    rules = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"][0]["rules"]
    names = {rule["alert"] for rule in rules}
    assert firing(prometheus).keys() == names
    sweeps = {
        name: labels["sweep"] for name, labels in firing(prometheus).items() if "sweep" in labels
    }
    assert sweeps == {
        "SweepWithoutProgress": "slow",
        "SweepStalled": "gone",
        "SweepLostItsCluster": "cut-off",
    }


@pytest.mark.parametrize("title", queries())
def test_a_panel_has_data(prometheus: httpx2.Client, title: str) -> None:
    assert ask(prometheus, filled(queries()[title]))


@pytest.mark.parametrize(
    ("title", "values"),
    [
        ("GPU-hours A", {1.0}),
        ("Cost A", {PRICE}),
        ("Energy A", {WATTS / 1000}),
        ("Sweeps that run A", {1.0}),
        ("Sweeps stalled or lost A", {2.0}),
        ("Sweeps E", {1.0, 0.0}),
    ],
)
def test_a_panel_shows_what_the_store_has(
    prometheus: httpx2.Client, title: str, values: set[float]
) -> None:
    samples = ask(prometheus, filled(queries()[title]))
    assert {float(sample["value"][1]) for sample in samples} == values


def test_variables_have_values(prometheus: httpx2.Client) -> None:
    found = {}
    for name, variable in variables().items():
        if variable["type"] == "query":
            inner = variable["query"]["query"].removeprefix("label_values(").removesuffix(")")
            selector, _, label = inner.rpartition(", ")
            samples = ask(prometheus, filled(selector))
            found[name] = {sample["metric"][label] for sample in samples}
    assert found == {"job": {"sweep"}, "sweep": {"slow", "gone", "cut-off"}}
