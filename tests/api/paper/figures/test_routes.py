"""Picks that a figure refuses."""

from __future__ import annotations

import httpx2


def test_what_cannot_be_picked_is_refused_in_the_figure(story: httpx2.Client) -> None:
    assert story.get("/figures/fig5?setting=Z_1-1").status_code == 422
    no_run = story.get("/figures/fig5?setting=A_128-128&method=sn&seed=40").json()
    assert no_run["empty"] == "There are its seeds 0, 1."
    assert story.get("/figures/fig/8").status_code == 404
    hostile = story.get('/paper?fig5.setting="><script>alert(1)</script>').text
    assert "<script>alert" not in hostile
