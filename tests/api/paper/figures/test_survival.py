"""Kaplan and Meier's curves, as drawn."""

from __future__ import annotations

import httpx2
import pytest

from tests.api.paper.paper_page import figure


def test_survival_is_that_of_the_data(story: httpx2.Client) -> None:
    picture = figure(story, "survival")
    (sn,) = (t for t in picture["data"] if t.get("name", "").startswith("sn: "))
    items = story.get("/survival?profile=digits&method=sn").json()["items"]
    assert sn["y"][1:] == pytest.approx([step["share"] for step in items[0]["steps"]], abs=1e-4)
    assert sn["name"] == "sn: 3 of 7 collapsed"
    texts = {t["y"][0]: t["text"] for t in picture["data"] if t["mode"] == "text"}
    assert texts["sn"][0] == "7"
