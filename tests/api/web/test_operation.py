"""What Prometheus reads."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import httpx2
import pytest

from api.web.latency import Histogram
from sweep.store.store import Store

LINE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\.)*",?)*)\})? (\S+)')


def series(http: httpx2.Client) -> dict[str, float]:
    """Every sample by its name and labels; fails on a line that is none."""
    response = http.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    found: dict[str, float] = {}
    told: set[str] = set()
    for line in response.text.splitlines():
        if line.startswith("# TYPE "):
            told.add(line.split()[2])
        if line.startswith("#"):
            continue
        match = LINE.fullmatch(line)
        assert match, line
        name = re.sub("_(bucket|sum|count)$", "", match[1])
        assert name in told, line
        key = f"{match[1]}{{{match[2] or ''}}}"
        assert key not in found, line
        found[key] = float(match[3])
    return found


def test_the_store(http: httpx2.Client) -> None:
    found = series(http)
    states = {"planned": 1, "running": 1, "completed": 23, "collapsed": 4, "failed": 1}
    for status, n in (states | {"stopped": 0}).items():
        assert found[f'sweep_trials{{status="{status}"}}'] == n
    assert found['sweep_collapsed_trials{method="sn",signal="mode_collapse"}'] == 2
    assert found['sweep_collapsed_trials{method="sn",signal="spectral_collapse"}'] == 2
    assert found['sweep_compute_hours{device="gpu"}'] == 0
    assert found['sweep_compute_hours{device="cpu"}'] > 0
    assert 0 <= found["sweep_snapshot_age_seconds{}"] < 30
    assert found["sweep_store_error{}"] == 0
    assert found["sweep_skipped_files{}"] == 0


def test_latency_is_by_route_and_never_by_id(filled: Path, kit: ModuleType) -> None:
    with kit.serving(filled) as http:
        trial = http.get("/results?limit=1").json()["items"][0]["trial_id"]
        for _ in range(3):
            assert http.get(f"/trials/{trial}").status_code == 200
        http.get("/trials/nothing")
        http.get("/no/such/path")
        http.request("BREW", "/results")
        found = series(http)
        name = "http_request_duration_seconds"
        of_trial = 'method="GET",route="/trials/{trial_id}",status="2xx"'
        assert found[f"{name}_count{{{of_trial}}}"] == 3
        assert found[f'{name}_bucket{{{of_trial},le="+Inf"}}'] == 3
        assert found[f"{name}_sum{{{of_trial}}}"] > 0
        missing = 'method="GET",route="/trials/{trial_id}",status="4xx"'
        assert found[f"{name}_count{{{missing}}}"] == 1
        assert found[f'{name}_count{{method="GET",route="unknown",status="4xx"}}'] == 1
        assert not any(trial in key or "BREW" in key for key in found)
        below = [v for key, v in found.items() if key.startswith(f"{name}_bucket{{{of_trial},")]
        assert below == sorted(below)


def test_a_bound_belongs_to_its_bucket() -> None:
    histogram = Histogram()
    for seconds in (0.005, 0.0051, 99.0):
        histogram.add(seconds)
    assert (histogram.counts[0], histogram.counts[1], histogram.counts[-1]) == (1, 1, 1)


def test_a_gpu_and_a_file_that_is_none(tmp_path: Path, kit: ModuleType) -> None:
    store, who = Store(tmp_path), kit.identity("C_32-32", "sn", 0)
    kit.write_trial(store, who)
    (row,) = store.read_rows("trials", who["trial_id"])
    row |= {"config": '{"batch": 1, "device": "cuda"}', "seconds": 7200.0}
    store.write_rows("trials", who["trial_id"], [row])
    store.write("trials/odd.parquet", b"nothing")
    with kit.serving(tmp_path) as http:
        found = series(http)
        assert found['sweep_compute_hours{device="gpu"}'] == pytest.approx(2)
        assert found["sweep_skipped_files{}"] == 1


def test_probes_need_no_token_and_tell_counts_only(filled: Path, kit: ModuleType) -> None:
    with kit.serving(filled, "s3cret") as http:
        right = {"Authorization": "Bearer s3cret"}
        assert http.get("/metrics").status_code == 401
        assert http.get("/metrics", headers=right).status_code == 200
        assert http.get("/openapi.json").status_code == 401
        assert http.get("/healthz").status_code == 200
        probe = http.get("/readyz")
        assert probe.status_code == 200
        assert str(filled) not in probe.text
        assert (probe.json()["results"], probe.json()["trials"]) == (None, 30)
        assert http.get("/readyz", headers=right).json()["results"] == str(filled)
        wrong = {"Authorization": "Bearer other"}
        assert http.get("/readyz", headers=wrong).json()["results"] is None


def test_an_open_probe_does_not_tell_where_the_store_is(tmp_path: Path, kit: ModuleType) -> None:
    with kit.serving(tmp_path / "nowhere", "s3cret") as http:
        probe = http.get("/readyz")
        assert probe.status_code == 503
        assert probe.json()["reason"] == "not ready: ask with a token why"
        assert "nowhere" not in probe.text
        right = {"Authorization": "Bearer s3cret"}
        assert "nowhere" in http.get("/readyz", headers=right).json()["reason"]
