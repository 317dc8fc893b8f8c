"""Models of trials hold every column of the store."""

from __future__ import annotations

from api.trials import models
from sweep.store.schemas import SCHEMAS, SCORE_NAMES


def test_scores_are_those_of_the_store() -> None:
    assert set(models.Scores.model_fields) - {"nonfinite"} == set(SCORE_NAMES)


def test_a_trial_has_every_column_of_the_store() -> None:
    prefixed = {f"{when}_{name}" for when in ("best", "final") for name in SCORE_NAMES}
    prefixed |= {"best_iteration", "final_iteration"}
    assert set(models.TrialDetail.model_fields) >= set(SCHEMAS["trials"].names) - prefixed
