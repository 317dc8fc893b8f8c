"""Successive halving by hand: rungs, values at them, and who goes on."""

from __future__ import annotations

import math
from typing import Any

import pytest

from sweep.plan.halving import Halving, Rung, goes_on, value_at
from trainer.config.lookup import UsageError
from trainer.config.trial import trial_config


def rungs(iterations: int | None = None, **halving: Any) -> list[tuple[int, int]]:
    config = trial_config("digits", "C_32-32", "sn", 0, iterations=iterations)
    return [(rung.number, rung.budget) for rung in Halving(**halving).rungs(config)]


def test_rungs_are_at_evaluations_before_the_end() -> None:
    # 1,000 iterations, evaluated every 50: a ninth is 111, a third 333.
    assert rungs() == [(1, 150), (2, 350)]
    assert rungs(grace=50) == [(1, 50), (2, 150), (3, 450)]
    assert rungs(grace=50, reduction=4) == [(1, 50), (2, 200), (3, 800)]
    assert rungs(grace=1000) == []
    assert rungs(grace=1, reduction=2)[:3] == [(1, 50), (2, 100), (3, 150)]
    # Few iterations: every rung once, although several fall on one evaluation.
    assert rungs(iterations=4) == [(1, 1), (2, 2)]
    assert rungs(iterations=1) == []


@pytest.mark.parametrize(
    ("halving", "message"),
    [
        ({"reduction": 1}, "--reduction must be at least 2, but got 1"),
        ({"grace": 0}, "--grace must be at least 1 iteration, but got 0"),
    ],
)
def test_values_that_give_no_rungs_are_refused(halving: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Halving(**halving)


def evaluations(*scores: float | None, finite: bool = True) -> list[dict[str, Any]]:
    return [
        {"iteration": 50 * k, "fd_digits": score, "finite": finite}
        for k, score in enumerate(scores)
    ]


def test_a_value_is_the_best_up_to_the_rung() -> None:
    rung = Rung(number=1, budget=100)
    assert value_at(rung, evaluations(9.0, 5.0, 7.0, 1.0), "fd_digits") == 5.0
    assert value_at(rung, evaluations(9.0, math.nan, None, 1.0), "fd_digits") == 9.0


@pytest.mark.parametrize(
    "rows",
    [
        evaluations(),
        evaluations(math.nan, math.nan),
        evaluations(None, math.inf),
        evaluations(4.0, 3.0, finite=False),
    ],
)
def test_nothing_finite_is_worse_than_anything(rows: list[dict[str, Any]]) -> None:
    value = value_at(Rung(number=1, budget=100), rows, "fd_digits")
    assert value == math.inf
    assert not goes_on(value, [value], 3)
    assert not goes_on(value, [value] * 30, 3)


def test_the_best_third_goes_on() -> None:
    values = [float(k) for k in range(9)]
    assert [goes_on(value, values, 3) for value in values] == [True] * 3 + [False] * 6
    assert [goes_on(value, values[:5], 3) for value in values[:5]] == [True] + [False] * 4
    assert goes_on(7.0, [7.0], 3), "the first to come is the best so far"
    assert goes_on(2.0, [2.0, 2.0, 2.0], 3), "of equal ones each is"
    assert [goes_on(value, values[:8], 4) for value in values[:8]] == [True] * 2 + [False] * 6
