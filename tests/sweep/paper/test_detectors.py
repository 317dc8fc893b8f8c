"""Levels and alarms by hand."""

from __future__ import annotations

import math

import pytest

from sweep.paper.detectors import DETECTORS, Run, alarm_at, heights, highest, levels_of, tuned

LAYERS = (0, 1, 3)


def evaluation(iteration: int = 0, **changes) -> dict:
    row = dict.fromkeys(("sigma2_ratio", "gap", "stable_rank", "d_gradient", "modes", "recall"))
    return row | {"iteration": iteration} | changes


def test_levels_by_hand() -> None:
    rows = [
        evaluation(
            sigma2_ratio=[1.0, 1.0, 1.0, 1.0],
            stable_rank=[10.0, 10.0, 4.0, 20.0],
            gap=0.5,
            d_gradient=2.0,
            modes=500,
        ),
        evaluation(
            1,
            # Of layers 0, 1 and 3 the second that fell most is at 0.6; layer 2 is a shortcut.
            sigma2_ratio=[0.6, 0.9, 0.1, 0.5],
            stable_rank=[5.0, 10.0, 1.0, 15.0],
            gap=-0.25,
            d_gradient=3.0,
            modes=100,
        ),
        evaluation(2, gap=0.0, d_gradient=0.75),
    ]
    levels = levels_of(rows, LAYERS, 1000)
    assert levels["sigma rule"] == [0, pytest.approx(0.4), None]
    assert levels["stable rank"] == [0, pytest.approx(0.25), None]
    assert levels["logit gap"] == [-0.5, -0.25, 0]
    # Of the highest so far: 2, 3, 3.
    assert levels["gradient norm"] == [0, 0, 0.75]
    assert levels["coverage"] == [0.5, 0.9, None]


def test_recall_stands_for_modes_that_are_not_counted() -> None:
    levels = levels_of([evaluation(recall=0.25)], LAYERS, None)
    assert levels == {"coverage": [0.75]}


def test_a_detector_without_its_column_is_not_there() -> None:
    assert levels_of([evaluation(gap=1.0)], LAYERS, 1000) == {"logit gap": [-1.0]}
    assert levels_of([evaluation(gap=math.nan)], LAYERS, 1000) == {}


def test_an_alarm_needs_three_in_a_row_after_the_burn_in() -> None:
    iterations = [0, 50, 100, 150, 200, 250, 300]
    levels = [9.0, 9.0, 1.0, 2.0, 3.0, None, 5.0]
    # Windows that begin at 100 or later, of 1,000: only the one of 1, 2, 3 is whole.
    assert heights(iterations, levels, 1000) == [(200, 1.0)]
    assert heights(iterations, levels, 400) == [(150, 1.0), (200, 1.0)]


def run(alarms, onset=None) -> Run:
    return Run(
        trial_id="t", setting="C_32-32", method="sn", seed=0, iterations=1000, onset=onset,
        alarms={"gap": alarms},
    )  # fmt: skip


def test_the_first_alarm_and_the_highest() -> None:
    one = run([(100, 0.1), (200, 0.6), (300, 0.4), (400, 0.9)])
    assert alarm_at(one, "gap", 0.5) == 200
    assert alarm_at(one, "gap", 0.95) is None
    assert highest(one, "gap") == 0.9
    assert highest(one, "gap", 0.3) == 0.6
    assert highest(one, "gap", 0.05) == -math.inf


@pytest.mark.parametrize(
    ("collapsed", "healthy", "threshold"),
    [
        ([0.8, 0.9], [0.1, 0.2], 0.5),  # in the middle of the empty room
        ([0.8, 0.3], [0.1, 0.5], 0.65),  # one hit or one more false alarm: the fewer alarms
        ([0.8, 0.1], [-math.inf, 0.2], 0.5),
        ([], [0.1], None),
        ([0.1], [], None),
    ],
)
def test_the_threshold_has_the_most_hits_over_false_alarms(collapsed, healthy, threshold) -> None:
    found = tuned(collapsed, healthy)
    assert found == (None if threshold is None else pytest.approx(threshold))


def test_only_coverage_looks_at_the_label() -> None:
    assert [d.name for d in DETECTORS if d.circular] == ["coverage"]
