"""Picks in the address of the paper page."""

from __future__ import annotations

import httpx2

from tests.api.paper.paper_page import figure


def test_a_pick_in_the_address_is_picked(story: httpx2.Client) -> None:
    page = story.get("/paper?fig5.setting=B_128-64&fig5.method=sr-static&fig5.layer=3").text
    assert "fig5?profile=digits&amp;setting=B_128-64&amp;method=sr-static&amp;layer=3" in page
    assert '<option value="B_128-64" selected' in page.split('id="fig5-section"')[1]
    picture = figure(story, "fig5", setting="B_128-64", method="sr-static", layer="3")
    assert picture["says"].startswith("B_128-64 sr-static i 0.25 seed 0, layer_3")
