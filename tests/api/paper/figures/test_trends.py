"""Fig. 8 as drawn."""

from __future__ import annotations

import httpx2

from tests.api.paper.paper_page import figure


def test_figure_8_shows_every_seed_and_what_the_text_says(story: httpx2.Client) -> None:
    picture = figure(story, "fig8")
    (item,) = story.get("/fig8?setting=A_128-128").json()["items"]
    seeds = [(p["i_ratio"], s["best"]) for p in item["points"] for s in p["seeds"]]
    marks = [t for t in picture["data"] if t["mode"] == "markers" and t["xaxis"] == "x"]
    assert sorted((x, y) for t in marks for x, y in zip(t["x"], t["y"], strict=True)) == seeds
    assert item["text"] in picture["says"]
    assert item["agrees"]["verdict"] in picture["says"]
