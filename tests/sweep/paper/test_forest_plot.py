"""The forest plot as an SVG: what is drawn where, and in which colour."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest

from sweep.paper.final_scores import FinalScores, paired_difference
from sweep.paper.forest_plot import BETTER, UNDECIDED, WORSE, forest_plot

SVG = "{http://www.w3.org/2000/svg}"


def cell(setting: str, method: str, values: list[float], sn: list[float]) -> FinalScores:
    by_seed = dict(enumerate(values))
    difference = paired_difference(by_seed, dict(enumerate(sn)))
    return FinalScores(
        setting=setting,
        method=method,
        score="fd_digits",
        planned=len(values),
        by_seed=by_seed,
        mean=None,
        sd=None,
        ema=None,
        modes=None,
        signals={},
        differences={"sn": difference} if difference else {},
    )


SN = [100.0, 100.0, 100.0]


def squares(svg: str) -> list[tuple[float, str | None]]:
    """Middle and colour of each mean."""
    root = ElementTree.fromstring(svg)
    return [(float(r.get("x", 0)) + 3.5, r.get("fill")) for r in root.iter(f"{SVG}rect")]


def test_a_mean_lies_on_the_side_and_at_the_distance_of_its_difference() -> None:
    cells = [
        cell("C_32-32", "better", [49.0, 50.0, 51.0], SN),
        cell("C_32-32", "worse", [124.0, 125.0, 126.0], SN),
        cell("C_32-32", "open", [0.0, 100.0, 200.0], SN),
    ]
    (better, blue), (worse, orange), (undecided, grey) = squares(forest_plot(cells, "sn"))
    assert (blue, orange, grey) == (BETTER, WORSE, UNDECIDED)
    assert better < undecided < worse
    # -50 lies twice as far from 0 as +25; positions are written with one decimal.
    assert undecided - better == pytest.approx(2 * (worse - undecided), abs=0.2)


def test_two_seeds_have_no_interval_and_no_colour() -> None:
    svg = forest_plot([cell("C_32-32", "pacgan", [50.0, 51.0], SN)], "sn")
    assert [colour for _, colour in squares(svg)] == [UNDECIDED]
    assert svg.count("<circle") == 2


def test_an_interval_that_leaves_the_panel_ends_in_an_arrow() -> None:
    svg = forest_plot([cell("C_32-32", "r1", [90.0, 100.0, -300.0], SN)], "sn")
    assert svg.count("<path") == 2


def test_a_method_without_a_pair_on_one_setting_is_named_there() -> None:
    cells = [
        cell("C_32-32", "r1", [90.0], SN),
        cell("C_32-32", "jare", [80.0], SN),
        cell("A_64-128", "r1", [70.0], SN),
        cell("A_64-128", "jare", [], SN),
    ]
    assert forest_plot(cells, "sn").count(">not measured<") == 1


def test_what_is_not_finite_is_said() -> None:
    cells = [
        cell("C_32-32", "r1", [90.0], SN),
        cell("C_32-32", "rpgan", [math.nan], SN),
    ]
    assert forest_plot(cells, "sn").count(">not finite<") == 1


def test_without_any_pair_there_is_no_picture() -> None:
    with pytest.raises(ValueError, match="no method shares a finished seed with sn"):
        forest_plot([cell("C_32-32", "r1", [], SN)], "sn")
