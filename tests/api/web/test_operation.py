"""What Prometheus reads."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from sweep.store.store import Store
from tests.api.servers import serving
from tests.api.stores import identity, write_trial
from tests.api.web.metrics import series


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


def test_a_gpu_and_a_file_that_is_none(tmp_path: Path) -> None:
    store, who = Store(tmp_path), identity("C_32-32", "sn", 0)
    write_trial(store, who)
    (row,) = store.read_rows("trials", who["trial_id"])
    row |= {"config": '{"batch": 1, "device": "cuda"}', "seconds": 7200.0}
    store.write_rows("trials", who["trial_id"], [row])
    store.write("trials/odd.parquet", b"nothing")
    with serving(tmp_path) as http:
        found = series(http)
        assert found['sweep_compute_hours{device="gpu"}'] == pytest.approx(2)
        assert found["sweep_skipped_files{}"] == 1


def test_probes_need_no_token_and_tell_counts_only(filled: Path) -> None:
    with serving(filled, "s3cret") as http:
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


def test_an_open_probe_does_not_tell_where_the_store_is(tmp_path: Path) -> None:
    with serving(tmp_path / "nowhere", "s3cret") as http:
        probe = http.get("/readyz")
        assert probe.status_code == 503
        assert probe.json()["reason"] == "not ready: ask with a token why"
        assert "nowhere" not in probe.text
        right = {"Authorization": "Bearer s3cret"}
        assert "nowhere" in http.get("/readyz", headers=right).json()["reason"]
