"""The picture of the contest draws what `/detectors` gives."""

from __future__ import annotations

import httpx2
import pytest


def test_curves_and_leads_are_those_of_the_data(contest: httpx2.Client) -> None:
    picture = contest.get("/figures/detectors").json()
    items = contest.get("/detectors").json()["items"]
    sigma = next(item for item in items if item["detector"] == "sigma rule")
    (curve,) = (t for t in picture["data"] if t.get("name") == "sigma rule")
    drawn = list(zip(curve["x"], curve["y"], strict=True))
    assert drawn == [pytest.approx(point, abs=1e-4) for point in sigma["curve"]]
    (leads,) = (t for t in picture["data"] if t["xaxis"] == "x2" and t["y"][0] == "sigma rule")
    assert leads["x"] == [150, 150, 150]
    assert "sigma rule 0.75 [" in picture["says"]
