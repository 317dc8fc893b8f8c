"""Scores of every seed, as drawn."""

from __future__ import annotations

import httpx2

from tests.api.paper.paper_page import figure


def test_a_far_value_squashes_no_axis(story: httpx2.Client) -> None:
    picture = figure(story, "seeds")
    beyond = [t for t in picture["data"] if t["marker"]["symbol"] == "triangle-up"]
    assert len(beyond) == 1
    assert "1e+06" in beyond[0]["text"][0]
    highest = max(y for trace in picture["data"] for y in trace["y"])
    assert highest < 10_000
    assert "beyond the axis: 1 mark" in picture["says"]
    crosses = [t for t in picture["data"] if t["marker"]["symbol"] == "x-thin"]
    cells = [m for row in story.get("/table2").json()["items"] for m in row["measured"].values()]
    fell = [s for by in cells for m in by.values() for s in m["seeds"] if s["mode_collapse_at"]]
    assert sum(len(trace["x"]) for trace in crosses) == len(fell) > 0
