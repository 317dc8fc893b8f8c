"""Latency by route."""

from __future__ import annotations

from pathlib import Path

from api.web.latency import LatencyHistogram
from tests.api.servers import serving
from tests.api.web.metrics import series


def test_latency_is_by_route_and_never_by_id(filled: Path) -> None:
    with serving(filled) as http:
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
    histogram = LatencyHistogram()
    for seconds in (0.005, 0.0051, 99.0):
        histogram.add(seconds)
    assert (histogram.counts[0], histogram.counts[1], histogram.counts[-1]) == (1, 1, 1)
