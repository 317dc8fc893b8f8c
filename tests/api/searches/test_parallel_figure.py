"""Parallel coordinates: each line is a trial."""

from __future__ import annotations

from api.searches import parallel_figure
from tests.api.searches.small_study import study


def test_parallel_lines_are_the_trials_the_best_last() -> None:
    figure = parallel_figure.parallel(study(), "/searches/s")
    ids = [trial_id for trace in figure.data for trial_id in trace["meta"]]
    assert ids == ["t3", "t1", "t2"]
    heights = [trace["y"] for trace in figure.data]
    assert heights == [
        [0.0, parallel_figure.ABSENT, 0.5, 1.0, None],
        [1.0, 0.0, 0.0, 1.0, None],
        [1.0, 1.0, 1.0, 0.0, None],
    ]
