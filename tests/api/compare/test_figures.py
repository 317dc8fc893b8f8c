"""Figures of trials side by side, as data."""

from __future__ import annotations

import httpx2

from api.compare.figures import styles
from api.drawing.look import COLOURS
from tests.api.compare.odd_trials import NAMES, query_of


def test_a_diverged_trial_squashes_no_axis_of_the_others(
    odd: httpx2.Client, ids: dict[str, str]
) -> None:
    figure = odd.get("/figures/compare/curves", params=query_of(ids, "healthy", "diverged")).json()
    low, high = figure["layout"]["yaxis"]["range"]
    assert 0 < low < high < 4000
    (marks,) = [
        t
        for t in figure["data"]
        if t["name"].startswith("B") and t["yaxis"] == "y" and t["mode"] == "markers"
    ]
    assert marks["x"] == [525, 600, 675, 750, 825, 900]
    assert figure["trials"] == 2


def test_spectra_are_on_one_scale(odd: httpx2.Client, ids: dict[str, str]) -> None:
    query = query_of(ids, *NAMES) | {"layer": "9", "columns": "4"}
    figure = odd.get("/figures/compare/spectra", params=query).json()
    assert figure["trials"] == 7
    assert {trace["coloraxis"] for trace in figure["data"]} == {"coloraxis"}
    assert (figure["layout"]["coloraxis"]["cmin"], figure["layout"]["coloraxis"]["cmax"]) == (0, 1)
    assert not any("zmin" in trace or "colorscale" in trace for trace in figure["data"])
    deep = odd.get("/figures/compare/spectra", params=query | {"layer": "16"}).json()
    assert deep["trials"] == 1
    no_layer = odd.get("/figures/compare/spectra", params=query | {"layer": "17"}).json()
    assert no_layer["empty"] == "No trial has a layer_17."


def test_a_colour_and_a_kind_of_line_each() -> None:
    two = styles(["sn", "sr-static"])
    assert [style.colour for style in two] == [COLOURS["sn"], COLOURS["sr-static"]]
    assert two[0].dash != two[1].dash
    pairs = styles(["sn", "sn", "sr-static", "sr-static"])
    assert len({(style.colour, style.dash) for style in pairs}) == 4
    assert {style.colour for style in pairs} == {COLOURS["sn"], COLOURS["sr-static"]}
    for eight in (["sn"] * 8, ["sn"] * 7 + ["sr-static"]):
        assert len({style.colour for style in styles(eight)}) == 8
        assert len({style.dash for style in styles(eight)}) == 8
