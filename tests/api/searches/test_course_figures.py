"""The best so far, and what its trials add up to."""

from __future__ import annotations

import pytest

from api.searches import course_figures
from api.searches.models import Importance, RatedStudy
from tests.api.searches.small_study import study


def test_the_best_so_far_steps_down_and_goes_on_to_now() -> None:
    (trace,) = course_figures.best_so_far(study(), "/searches/s").data
    assert (trace["x"], trace["y"]) == ([100, 200, 300], [900.0, 500.0, 500.0])


def test_bars_reach_over_their_intervals() -> None:
    shares = [("i_ratio", 0.7, 0.4, 0.9), ("method", 0.3, 0.1, 0.5)]
    rated = [
        Importance(name=name, share=share, low=low, high=high, trials=2)
        for name, share, low, high in shares
    ]
    own = RatedStudy(
        **study().model_dump(), importances=rated, no_importances=None, target_share=0.5
    )
    figure = course_figures.importances(own, "/searches/s")
    (bars,) = figure.data
    assert bars["y"] == ["method", "i"]
    assert bars["error_x"]["array"] == pytest.approx([0.2, 0.2])
    assert bars["error_x"]["arrayminus"] == pytest.approx([0.2, 0.3])
    assert "The intervals overlap" in (figure.says or "")
