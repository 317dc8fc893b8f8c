"""What a row may hold, and what it is left out for."""

from __future__ import annotations

import math

import pytest

from sweep.store.compact_rows import compact_rows
from sweep.store.schemas import SCHEMAS
from sweep.store.tables import columns
from sweep.store.validation import RULES, left_out, row_problem, valid_rows
from tests.sweep.store.rows import plan_row, trial_row


def trial_problem(**changes: object) -> str | None:
    (row,) = compact_rows(columns("trials", [trial_row(**changes)]))
    return row_problem("trials", row)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"status": "paused", "method": "my-sr", "setting": "Z_1-1", "dataset": "faces"},
        {"best_fid": math.nan, "objective": math.inf, "final_spectrum_left": -math.inf},
        {"i_ratio": None, "iteration": 0, "seconds": None},
        {"config": "{}", "protocol": '{"a": NaN}'},
    ],
)
def test_what_is_merely_unknown_or_not_finite_is_no_problem(changes: dict[str, object]) -> None:
    assert trial_problem(**changes) is None


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"setting": None}, "setting is null, where a text is needed"),
        ({"method": ""}, "method is '', where a text is needed"),
        ({"status": None}, "status is null, where a text is needed"),
        ({"dataset": None}, "dataset is null, where a text is needed"),
        ({"profile": None}, "profile is null, where a text is needed"),
        ({"seed": None}, "seed is null, where a whole number is needed"),
        ({"iterations": None}, "iterations is null, where a whole number from 1 is needed"),
        ({"iterations": 0}, "iterations is 0, where a whole number from 1 is needed"),
        ({"i_ratio": math.nan}, "i_ratio is nan, where a finite number, or null is needed"),
        ({"updated_at": None}, "updated_at is null, where a time is needed"),
        ({"iteration": -1}, "iteration is -1, where a whole number from 0, or null is needed"),
        ({"seconds": math.inf}, "seconds is inf, where a finite number from 0, or null is"),
        ({"seconds": math.nan}, "seconds is nan, where a finite number from 0, or null is"),
        ({"config": "[]"}, "config is '[]', where a JSON object, or null is needed"),
        ({"protocol": "no"}, "protocol is 'no', where a JSON object, or null is needed"),
        ({"software": "[" * 5000}, "software is"),
    ],
)
def test_what_the_code_relies_on(changes: dict[str, object], problem: str) -> None:
    assert (trial_problem(**changes) or "").startswith(problem)


def test_of_a_part_of_the_columns_only_those_are_looked_at() -> None:
    (row,) = compact_rows(columns("trials", [trial_row(seed=None)]).select(["trial_id", "status"]))
    assert row_problem("trials", row) is None


def test_rules_are_of_columns() -> None:
    for table, rules in RULES.items():
        assert rules.keys() <= set(SCHEMAS[table].names)


def test_rows_that_are_left_out_are_counted_and_the_first_are_named() -> None:
    rows = [{"iteration": k if k < 2 else None, "seconds": 1.0} for k in range(7)]
    valid, problem = valid_rows("evaluations", rows)
    assert valid == rows[:2]
    reason = "iteration is null, where a whole number from 0 is needed"
    assert problem == (f"5 of 7 rows left out: row 3: {reason}; row 4: {reason}; row 5: {reason}")
    assert valid_rows("evaluations", rows[:2]) == (rows[:2], None)
    assert left_out({}, 3) is None


def test_a_plans_row() -> None:
    assert row_problem("sweeps", plan_row()) is None
    assert (row_problem("sweeps", plan_row(operations=math.nan)) or "").startswith("operations")
    assert (row_problem("sweeps", plan_row(position=None)) or "").startswith("position")
