"""The study over somebody else's function, without a cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from sweep.run.own_study import OwnStudy
from trainer.config.lookup import UsageError
from trainer.config.own_trial import OwnTrial

SCORES = {"ssim": "higher"}


def define(trial: Any) -> dict[str, Any]:
    """A space whose second choice depends on the first."""
    config = {"kind": trial.suggest_categorical("kind", ["a", "b"])}
    if config["kind"] == "b":
        config["x"] = trial.suggest_float("x", 0.0, 1.0)
    return config


def make(config: Mapping[str, Any], parameters: Mapping[str, Any]) -> OwnTrial:
    return OwnTrial(
        name="f", config=dict(config), version="1", scores=SCORES, parameters=parameters
    )


def study(planned: Sequence[OwnTrial] = (), trials: int = 8, space: Any = define) -> OwnStudy:
    return OwnStudy(space, make, planned, trials=trials, seed=0)


def row(trial: OwnTrial, status: str = "completed", **changes: Any) -> dict[str, Any]:
    """The higher x, the better."""
    x = trial.config.get("x", 0.0)
    fields = {"status": status, "objective": -x, "score": "ssim", "score_direction": "higher"}
    return {**fields, "rung": None, "rung_budget": None, **changes}


def searched(search: OwnStudy) -> list[OwnTrial]:
    trials = []
    while (trial := search.next()) is not None:
        trials.append(trial)
        search.tell(trial.trial_id, row(trial))
    return trials


def test_every_trial_is_another_one() -> None:
    search = study()
    trials = searched(search)
    assert len({trial.trial_id for trial in trials}) == 8
    assert search.finished()
    best = max(trial.config.get("x", 0.0) for trial in trials)
    assert search.lines()[1].startswith("    own.f.own.")
    assert f"ssim {best:.2f}"[:8] in search.lines()[1]


def test_a_space_of_two_points_is_exhausted() -> None:
    search = study(space=lambda trial: {"kind": trial.suggest_categorical("kind", ["a", "b"])})
    assert len(searched(search)) == 2
    assert search.finished()


def test_a_later_start_knows_what_was_planned() -> None:
    first = searched(study(trials=3))
    search = study(first)
    for trial in first:
        search.tell(trial.trial_id, row(trial))
    assert len(searched(search)) == 5
    assert study(first, trials=3).finished()


def test_the_plan_of_another_space_is_refused() -> None:
    first = searched(study(trials=1))
    with pytest.raises(UsageError, match="give another --name"):
        study(first, space=lambda trial: {"y": trial.suggest_float("y", 0, 1)})


def test_a_bad_space_is_refused_before_any_work() -> None:
    with pytest.raises(UsageError, match="must return a dictionary"):
        study(space=lambda trial: None)


def test_trials_without_a_score_and_those_of_a_rung_are_told_apart() -> None:
    search = study()
    first, second, third = (search.next() for _ in range(3))
    assert first is not None
    assert second is not None
    assert third is not None
    search.tell(first.trial_id, row(first, "failed"))
    search.tell(second.trial_id, row(second, "stopped", rung=1, rung_budget=9))
    search.tell(third.trial_id, row(third, objective=None))
    states = [trial.state.name for trial in search._study.trials]
    assert states[:3] == ["FAIL", "PRUNED", "FAIL"]
    search.tell(first.trial_id, row(first))  # tried again
    assert search._study.trials[-1].state.name == "COMPLETE"
    assert search.group(first.trial_id) == "own"
    assert search.group("another") is None
