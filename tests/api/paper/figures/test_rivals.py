"""The forest plot draws what `/rivals` gives."""

from __future__ import annotations

import httpx2
import pytest

from tests.api.paper.paper_page import figure


def test_a_square_and_a_bar_are_those_of_the_data(story: httpx2.Client) -> None:
    picture = figure(story, "rivals", setting="C_64-32")
    (rival,) = (
        item
        for item in story.get("/rivals").json()["items"]
        if (item["setting"], item["method"]) == ("C_64-32", "sr-static")
    )
    pair = rival["minus"]["sn"]["pair"]
    own = [t for t in picture["data"] if t["xaxis"] == "x" and t["y"][0] == "sr-static"]
    circles, bar, square = own
    assert circles["x"] == pytest.approx([seed["difference"] for seed in pair["seeds"]])
    assert bar["x"] == pytest.approx(pair["interval"])
    assert square["x"] == pytest.approx([pair["mean"]])
    assert "Against sn better: sn-renorm, sr-static" in picture["says"]


def test_what_was_not_run_has_an_empty_line(story: httpx2.Client) -> None:
    picture = figure(story, "rivals", setting="C_64-32")
    against_ttur = [trace for trace in picture["data"] if trace["xaxis"] == "x3"]
    assert {tuple(trace["x"]) for trace in against_ttur} == {(None,)}
    assert "sn-ttur" not in picture["says"]
