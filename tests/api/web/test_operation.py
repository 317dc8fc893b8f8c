"""Probes and metrics: who may ask, and what they say to whom."""

from __future__ import annotations

from pathlib import Path

from tests.api.servers import serving


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
