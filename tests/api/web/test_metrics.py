"""Metrics: what each sample says, what is a label, and how many there are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api.reading.version import code_version
from api.web.metrics import MOST_SWEEPS, SWEEP_STATES, _escaped, exposition, store_metrics
from api.web.service import Service, open_service
from sweep.report.inventory import inventory
from sweep.report.sweep_state import sweep_standing
from sweep.store.schemas import SCHEMA_VERSION
from sweep.store.store import Store
from tests.api.servers import serving
from tests.api.stores import START, identity, write_driver, write_plan, write_trial
from tests.api.web.metrics import parsed, series

Scrape = Callable[..., dict[str, float]]


@pytest.fixture
def scrape(tmp_path: Path) -> Scrape:
    """Reads the store in the test's folder and returns its samples."""

    def scraped(now: datetime | None = None) -> dict[str, float]:
        service: Service = open_service(Store(tmp_path), None)
        service.watcher.refresh()
        assert service.watcher.current is not None
        of_store = store_metrics(service.watcher.current)
        return parsed(exposition(service, of_store, now or datetime.now(UTC)))

    return scraped


def test_the_store(http: httpx2.Client) -> None:
    found = series(http)
    states = {"planned": 1, "running": 1, "completed": 23, "collapsed": 4, "failed": 1}
    for status, n in (states | {"stopped": 0, "unreadable": 0, "other": 0}).items():
        assert found[f'sweep_trials{{status="{status}"}}'] == n
    assert found['sweep_collapsed_trials{method="sn",signal="mode_collapse"}'] == 2
    assert found['sweep_collapsed_trials{method="sn",signal="spectral_collapse"}'] == 2
    assert found['sweep_compute_seconds{device="gpu"}'] == 0
    assert found['sweep_compute_seconds{device="cpu"}'] > 0
    assert 0 <= found["sweep_snapshot_age_seconds{}"] < 30
    assert found["sweep_store_error{}"] == 0
    assert found['sweep_store_unreadable_files{table="trials"}'] == 0
    assert found['sweep_sweeps{state="running"}'] == 1
    assert found['sweep_sweeps{state="finished"}'] == 1
    builds = [key for key in found if key.startswith("sweep_build_info{")]
    assert len(builds) == 1
    assert f'code="{code_version()}",schema="{SCHEMA_VERSION}"' in builds[0]


def test_before_the_store_was_read_there_are_no_counts(tmp_path: Path) -> None:
    service = open_service(Store(tmp_path), None)
    found = parsed(exposition(service, None, datetime.now(UTC)))
    assert found["sweep_snapshot_age_seconds{}"] != found["sweep_snapshot_age_seconds{}"]
    assert not any(key.startswith("sweep_trials") for key in found)


def test_a_gpu_and_a_file_that_is_none(tmp_path: Path, scrape: Scrape) -> None:
    store, who = Store(tmp_path), identity("C_32-32", "sn", 0)
    write_trial(store, who)
    (row,) = store.read_rows("trials", who["trial_id"])
    row |= {"config": '{"batch": 1, "device": "cuda"}', "seconds": 7200.0}
    store.write_rows("trials", who["trial_id"], [row])
    store.write("trials/odd.parquet", b"nothing")
    store.write("sweeps/odd.json", b"nothing")
    store.write("sweeps/odd.parquet", b"nothing")
    found = scrape()
    assert found['sweep_compute_seconds{device="gpu"}'] == 7200
    assert found['sweep_store_unreadable_files{table="trials"}'] == 1
    assert found['sweep_store_unreadable_files{table="sweeps"}'] == 2


def write_row(store: Store, seed: int, **changes: Any) -> dict[str, Any]:
    who = identity("C_32-32", "sr-static", seed)
    write_trial(store, who)
    (row,) = store.read_rows("trials", who["trial_id"])
    store.write_rows("trials", who["trial_id"], [row | changes])
    return who


def test_a_packed_sweep_has_the_same_hours_wherever_they_are_told(tmp_path: Path) -> None:
    store, quarter = Store(tmp_path), {"config": '{"device": "cuda"}', "gpus": 0.25}
    trials = [write_row(store, seed, seconds=5400.0, **quarter) for seed in range(4)]
    on_cpu = {"config": '{"device": "cpu", "threads": 2}', "gpus": 0.0}
    trials.append(write_row(store, 4, seconds=1800.0, **on_cpu))
    write_plan(store, "packed", trials)
    standing = sweep_standing(inventory(store), "packed", datetime.now(UTC), [])
    with serving(tmp_path) as http:
        sweep, samples = http.get("/sweeps/packed").json(), series(http)
    assert (standing.gpu_hours, standing.cpu_hours) == (1.5, 1.0)
    assert (sweep["gpu_hours"], sweep["cpu_hours"], sweep["compute_hours"]) == (1.5, 1.0, 6.5)
    for device, hours in (("gpu", 1.5), ("cpu", 1.0)):
        assert samples[f'sweep_compute_seconds{{device="{device}"}}'] == 3600 * hours
    assert samples['sweep_gpu_seconds{sweep="packed"}'] == 3600 * 1.5


def test_no_trial_is_dropped_for_its_status(tmp_path: Path, scrape: Scrape) -> None:
    store = Store(tmp_path)
    for seed, status in enumerate(["completed", "unreadable", "pondering", "resting"]):
        write_row(store, seed, status=status)
    found = scrape()
    by_status = {key: n for key, n in found.items() if key.startswith("sweep_trials{") and n}
    assert by_status == {
        'sweep_trials{status="completed"}': 1,
        'sweep_trials{status="unreadable"}': 1,
        'sweep_trials{status="other"}': 2,
    }


def test_failures_are_counted_over_all_trials(tmp_path: Path, scrape: Scrape) -> None:
    for seed, failures in enumerate([2, 0, None, 3]):
        write_row(Store(tmp_path), seed, failures=failures)
    assert scrape()["sweep_trial_failures_total{}"] == 5


def test_a_sweep_whose_driver_died_is_stalled(tmp_path: Path, scrape: Scrape) -> None:
    store, who = Store(tmp_path), identity("C_32-32", "sn", 0)
    died = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=20)
    write_trial(store, who, "running")
    write_plan(store, "a", [who])
    write_driver(store, "a", heartbeat=died.isoformat())
    write_plan(store, "b", [identity("C_32-32", "sn", 1)])
    found = scrape()
    counts = {state: found[f'sweep_sweeps{{state="{state}"}}'] for state in SWEEP_STATES}
    assert {state: n for state, n in counts.items() if n} == {"stalled": 1, "planned": 1}
    assert found['sweep_state_info{sweep="a",state="stalled"}'] == 1
    assert found['sweep_heartbeat_timestamp_seconds{sweep="a"}'] == died.timestamp()
    newest = (START + timedelta(seconds=60)).timestamp()
    assert found['sweep_newest_evaluation_timestamp_seconds{sweep="a"}'] == newest
    assert found['sweep_started_timestamp_seconds{sweep="a"}'] == START.timestamp()
    assert not any('"b"' in key for key in found if "timestamp" in key)
    assert found['sweep_progress_ratio{sweep="a"}'] == pytest.approx(600 / 1500)
    assert found['sweep_progress_ratio{sweep="b"}'] == 0
    # Nothing was written in between.
    assert scrape(died + timedelta(seconds=5))['sweep_sweeps{state="running"}'] == 1


def test_metrics_and_sweeps_say_the_same(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for k, state in enumerate(
        ["running", "running", "interrupted", "failed", "finished", "odd", "lost"]
    ):
        heartbeat = datetime.now(UTC) + timedelta(hours=-1 if k else 1)
        write_driver(store, f"{k}", state=state, heartbeat=heartbeat.isoformat())
        write_plan(store, f"{k}", [identity("C_32-32", "sn", k)])
    with serving(tmp_path) as http:
        found = series(http)
        sweeps = http.get("/sweeps").json()["items"]
        assert len(sweeps) == 7
        for sweep in sweeps:
            label = f'sweep="{sweep["name"]}",state="{sweep["state"]}"'
            assert found[f"sweep_state_info{{{label}}}"] == 1
            share = found[f'sweep_progress_ratio{{sweep="{sweep["name"]}"}}']
            assert share == sweep["progress"]["share"]


def test_the_number_of_named_sweeps_is_bounded(tmp_path: Path, scrape: Scrape) -> None:
    store = Store(tmp_path)
    for k in range(MOST_SWEEPS + 5):
        heartbeat = START + timedelta(hours=k)
        write_driver(store, f"s{k}", state="finished", heartbeat=heartbeat.isoformat())
    found = scrape()
    named = [key for key in found if key.startswith("sweep_heartbeat_timestamp_seconds")]
    assert len(named) == MOST_SWEEPS
    assert 'sweep_heartbeat_timestamp_seconds{sweep="s0"}' not in found
    assert found['sweep_sweeps{state="finished"}'] == MOST_SWEEPS + 5


def test_a_sweep_may_have_any_name(tmp_path: Path, scrape: Scrape) -> None:
    store = Store(tmp_path)
    for name in ('a "quoted" one', "back\\slash", "σ {x=1}, # no", "two\nlines"):
        write_driver(store, name, state="finished")
    found = scrape()
    assert r'sweep_state_info{sweep="a \"quoted\" one",state="finished"}' in found
    assert r'sweep_state_info{sweep="back\\slash",state="finished"}' in found
    assert 'sweep_state_info{sweep="σ {x=1}, # no",state="finished"}' in found
    assert r'sweep_state_info{sweep="two\nlines",state="finished"}' in found


def test_a_name_that_is_no_text_can_be_sent() -> None:
    assert _escaped("a\udcff") == "a?"
