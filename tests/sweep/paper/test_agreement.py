"""Verdicts never stronger than the interval."""

from __future__ import annotations

import math

import pytest

from sweep.paper.agreement import AGREES, DISAGREES, NOT_ENOUGH, of_all, of_mean, of_steps


def above_half(low: float, high: float) -> str:
    return AGREES if low >= 0.5 else DISAGREES if high < 0.5 else NOT_ENOUGH


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([0.9, 0.8, 1.0], AGREES),  # 0.9 with half 4.303 * 0.1 / sqrt(3) = 0.25
        ([0.1, 0.2, 0.0], DISAGREES),
        ([0.9, 0.4, 0.8], NOT_ENOUGH),
        ([0.9, 0.9], NOT_ENOUGH),
        ([0.9, math.nan, 0.9], NOT_ENOUGH),
        ([], NOT_ENOUGH),
    ],
)
def test_a_mean_is_judged_by_its_interval(values, verdict) -> None:
    found = of_mean("fig2", values, "ends at {}", above_half, "no run")
    assert (found.verdict, found.n) == (verdict, len(values))
    assert found.says == "no run" if not values else found.says.startswith("ends at ")


def test_two_values_are_said_and_nothing_more() -> None:
    assert of_mean("fig2", [0.9, 0.5], "ends at {}", above_half, "").says == "ends at 0.90, 0.50"


def test_all_of_three_reach_no_further_than_three() -> None:
    # The lower end of Clopper and Pearson's interval for 3 of 3: 0.025 ** (1 / 3).
    found = of_all("fig14", 3, 3, "three", "")
    assert (found.verdict, found.says) == (
        AGREES,
        "three; of such runs 29% or more, with 95 % confidence",
    )


def test_one_against_it_breaks_a_sentence_about_all() -> None:
    assert of_all("fig14", 2, 3, "two of three", "").verdict == DISAGREES
    assert of_all("fig14", 1, 2, "one of two", "").verdict == NOT_ENOUGH
    assert of_all("fig14", 0, 0, "", "nothing").says == "nothing"


def test_steps_agree_when_all_are_resolved_that_way() -> None:
    def verdict(*signs: int) -> str:
        return of_steps("fig8", [("A", sign, 3) for sign in signs], "steps", "seeds").verdict

    assert verdict(1, 1) == AGREES
    assert verdict(1, 0) == NOT_ENOUGH
    assert verdict(1, 0, -1) == DISAGREES
    assert of_steps("fig8", [], "steps", "three seeds").says == "it takes three seeds"
