"""Stored rows of runs that this project does not train."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from sweep.recording.rows import (
    HIGHER,
    LOWER,
    best_record,
    objective,
    plan_row,
    stored_layers,
    trial_row,
)
from sweep.recording.spectra import Layers
from sweep.store.schemas import SCHEMAS, SCORE_NAMES
from sweep.store.tables import columns
from sweep.store.validation import row_problem
from trainer.config.own_trial import OwnTrial
from trainer.partial_verdict import judge_parts


def own(**changes: Any) -> OwnTrial:
    fields: dict[str, Any] = {"name": "x", "config": {"lr": 0.1}, "version": "1"}
    return OwnTrial(**(fields | changes))


def records(column: str, values: list[float]) -> list[dict[str, Any]]:
    return [{"iteration": k, "finite": True, column: v} for k, v in enumerate(values)]


def test_every_score_of_the_store_has_a_direction_or_is_none() -> None:
    spreads = {"n_samples", "reference_weights", "inception_score_std", "kid_std", "own_score"}
    assert {*LOWER, *HIGHER} | spreads == {n for n in SCORE_NAMES if not n.startswith("ema_")}


def test_the_best_is_finite_before_mode_collapse_and_the_first_of_equals() -> None:
    history = records("fid", [9.0, math.nan, 5.0, 5.0, 1.0])
    best = best_record(own(scores={"fid": "lower"}), history, 4)
    assert best is not None
    assert best["iteration"] == 2


def test_higher_is_better_where_it_is_declared() -> None:
    trial = own(scores={"ssim": "higher"})
    best = best_record(trial, records("own_score", [0.1, 0.9, 0.5]), None)
    assert best is not None
    assert best["iteration"] == 1
    assert objective(trial, best) == -0.9
    assert objective(trial, None) is None
    assert best_record(own(), records("own_score", [0.1]), None) is None


@pytest.mark.parametrize("history", [[], records("fid", [3.0])])
def test_rows_keep_to_the_rules_of_the_store(history: list[dict[str, Any]]) -> None:
    trial, verdict = own(), judge_parts(history, None, scores={})
    row = trial_row(trial, history, verdict, Layers(names=["a"], voting=[0]), has_ended=True)
    row |= {"status": "running", "updated_at": 0}
    assert set(row) <= set(SCHEMAS["trials"].names)
    assert row_problem("trials", row) is None
    assert stored_layers(row) == Layers(names=["a"], voting=[0])
    planned = plan_row("s", own(parameters={"p": 1}), 0)
    assert row_problem("sweeps", planned) is None
    assert columns("sweeps", [planned]).num_rows == 1
    assert json.loads(planned["parameters"]) == {"p": 1}
