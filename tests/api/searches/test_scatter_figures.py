"""Slices and contours: a mark is a trial, and between trials are their means."""

from __future__ import annotations

import math

import pytest

from api.searches import course_figures, parallel_figure, scatter_figures
from tests.api.searches.small_study import TRIALS, study, trial


def test_slices_have_each_trial_in_the_panels_of_its_parameters() -> None:
    figure = scatter_figures.slices(study(), "/searches/s")
    panels = {trace["xaxis"] for trace in figure.data}
    assert len(panels) == 3
    marks = [(trace["name"], len(trace["x"])) for trace in figure.data if trace["x"]]
    assert sorted(marks) == [("sn", 1), ("sn", 1)] + [("sr-static", 2)] * 3
    without = [y for trace in figure.data if trace["name"] == "sn" for y in trace["y"]]
    assert without == [900.0, 900.0]  # at the worst score that there is
    assert "△ at the worst score are 1 without a score" in (figure.says or "")


def test_a_contour_goes_through_the_trials_and_stays_between_them() -> None:
    figure = scatter_figures.contour(study(), "i_ratio", "batch_size", "/searches/s")
    surface, marks = figure.data
    heights = surface["z"]
    assert heights[0][0] == 900.0
    assert heights[-1][-1] == 500.0
    assert heights[0][-1] is None  # far from both
    known = [value for row in heights for value in row if value is not None]
    assert min(known) >= 500.0 - 1e-9
    assert max(known) <= 900.0 + 1e-9
    assert surface["y"][12] == pytest.approx(math.sqrt(8 * 2048))  # as far from both ends
    assert len(marks["x"]) == 2


def test_over_a_choice_the_neighbours_are_those_of_the_choice() -> None:
    figure = scatter_figures.contour(study(), "method", "batch_size", "/searches/s")
    surface = figure.data[0]
    assert surface["type"] == "heatmap"
    of_static = [row[1] for row in surface["z"]]
    assert of_static[0] == 900.0
    assert of_static[-1] == 500.0
    of_sn = [row[0] for row in surface["z"]]
    assert None in of_sn  # far from its only trial
    assert [z for z in of_sn if z is not None] == pytest.approx([900.0] * 17)


def test_of_very_many_trials_the_best_are_drawn() -> None:
    many = [trial(k, float(k * 7919 % 5000), method="sn") for k in range(1, 5000)]
    chosen = scatter_figures.drawn_trials(many)
    assert len(chosen) <= scatter_figures.MOST_TRIALS
    best = sorted(many, key=lambda one: one.objective)[: scatter_figures.MOST_TRIALS // 3]
    assert {one.number for one in best} <= {one.number for one in chosen}


def test_a_study_without_a_score_says_so() -> None:
    nothing = study([TRIALS[2]]).model_copy(update={"best": None, "worst": None, "steps": []})
    for draw in (scatter_figures.slices, parallel_figure.parallel, course_figures.best_so_far):
        assert draw(nothing, "/").empty == "No trial of this study has ended with a score yet."
