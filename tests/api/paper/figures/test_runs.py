"""Figures of single runs: pairs and the rescue."""

from __future__ import annotations

import httpx2

from tests.api.paper.paper_page import figure


def test_pairs_have_the_controls_beside_them(story: httpx2.Client) -> None:
    picture = figure(story, "fig7")
    maps = [trace for trace in picture["data"] if trace["type"] == "heatmap"]
    assert [trial["method"] for trial in story.get("/fig/7").json()["trials"]] == [
        "sn", "sr-static", "sn-renorm", "sr-lift",
    ]  # fmt: skip
    assert len(maps) == 4
    assert {(trace["zmin"], trace["zmax"]) for trace in maps} == {(0, 1)}


def test_the_rescue_is_found_where_there_is_one(story: httpx2.Client) -> None:
    picture = figure(story, "fig6")
    assert "from iteration 300" in picture["says"]
    assert picture["trials"] == 2
