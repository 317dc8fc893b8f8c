"""What a study says at its end, from rows with a known answer."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from sweep.plan.search_space import Space, spaces_over_everything, spaces_over_i
from sweep.run.rows import PENALTY
from sweep.run.study_report import Outcome, finding, lines, record
from trainer.config.trial import TrialConfig


def outcome(
    space: Space, n: int, objective: Callable[[TrialConfig], float], **says: Any
) -> Outcome:
    """`n` trials of the space, drawn at random."""
    parameters = space.parameters()
    findings = [
        finding(
            parameters[config.trial_id],
            {
                "trial_id": config.trial_id,
                "status": "completed",
                "objective": objective(config),
                "best_iteration": None if objective(config) == PENALTY else 50,
                "mode_collapse_at": None,
                **says,
            },
        )
        for config in random.Random(0).sample([*space.trials.values()], n)
    ]
    findings.sort(key=lambda one: one.objective)
    return Outcome(space=space, trials=20, suggested=n, findings=findings)


@pytest.fixture(scope="module")
def full() -> Space:
    (space,) = spaces_over_everything("digits", ["digits8"], 0)
    return space


@pytest.fixture(scope="module")
def of_i() -> Space:
    (space,) = spaces_over_i("digits", ["C_8-32"], "sr-static", 0)
    return space


def test_the_best_come_first_with_i_objective_and_iteration(of_i: Space) -> None:
    said = lines(outcome(of_i, 8, lambda config: 1000 * (config.i_ratio or 0)))
    assert said[0] == "study C_8-32: 8 of 8 trials finished, 20 asked for"
    assert said[1] == "  best FD-digits before mode collapse, lower is better:"
    listed = [line for line in said if "at iteration 50" in line]
    assert len(listed) == 5
    objectives = [float(line.split()[0]) for line in listed]
    assert objectives == sorted(objectives)
    assert f"i_ratio {objectives[0] / 1000:.2f}"[:12] in listed[0]
    assert said[-1] == "  importance over 8 trials: i_ratio is all that is searched over"


def test_a_penalty_is_said_to_be_one(of_i: Space) -> None:
    said = lines(outcome(of_i, 2, lambda config: PENALTY))
    assert "no score before mode collapse, counted as 10000" in said[2]
    assert lines(outcome(of_i, 0, lambda config: 0)) == [
        "study C_8-32: 0 of 0 trials finished, 20 asked for"
    ]


@pytest.mark.parametrize("parameter", ["method", "channels", "batch_size"])
def test_importance_is_that_of_what_matters_whatever_the_penalty(
    full: Space, parameter: str
) -> None:
    def objective(config: TrialConfig) -> float:
        value = getattr(config, parameter)
        if config.channels == 16 and config.batch_size == 16:
            return PENALTY
        return len(value) if isinstance(value, str) else value

    every, lifting = outcome(full, 80, objective).importances.values()
    for shares in (every, lifting):
        assert not isinstance(shares, str)
        assert sum(shares.values()) == pytest.approx(1)
    assert isinstance(every, dict)
    assert next(iter(every)) == parameter
    assert every[parameter] > 0.5


def test_the_importance_of_i_is_taken_where_there_is_one(full: Space) -> None:
    found = outcome(full, 40, lambda config: config.i_ratio or 2.0).importances
    n = sum(dict(one).get("i_ratio") is not None for one in full.parameters().values())
    assert 0 < n < len(full.trials)
    every, lifting = found.values()
    assert isinstance(every, dict)
    assert isinstance(lifting, dict)
    assert list(every).count("i_ratio") == 0
    assert lifting["i_ratio"] > 0.8
    assert [name.split(maxsplit=1)[1] for name in found] == ["trials", "that lift"]


def test_text_and_record_take_the_importance_once(
    full: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a thousand trials it takes seconds."""
    found = outcome(full, 12, lambda config: config.channels)
    once = found.importances
    monkeypatch.setattr("sweep.run.study_report._shares", lambda *_: pytest.fail("again"))
    assert record(found)["importances"] is once
    assert any("importance over 12 trials" in line for line in lines(found))


def test_too_few_or_equal_trials_have_no_importance(full: Space) -> None:
    assert outcome(full, 9, lambda config: config.channels).importances["9 trials"] == (
        "too few trials to tell, 10 are needed"
    )
    assert outcome(full, 12, lambda config: 1.0).importances["12 trials"] == (
        "nothing to tell, all have the same objective"
    )


def test_a_best_without_a_verdict_on_mode_collapse_is_marked(of_i: Space) -> None:
    reasons = json.dumps({"mode_collapse": "planned for 40 iterations", "dead": "the same"})
    text = lines(outcome(of_i, 3, lambda config: config.i_ratio or 0, not_judged=reasons))
    expected = "mode collapse was not judged in 3 of 3, whose best may lie after one: planned for"
    assert sum(expected in line for line in text) == 1
    judged = lines(outcome(of_i, 3, lambda config: config.i_ratio or 0, not_judged="{}"))
    assert not any("not judged" in line for line in judged)


def test_the_record_is_json_and_has_every_finished_trial(full: Space) -> None:
    kept = json.loads(json.dumps(record(outcome(full, 12, lambda config: config.channels))))
    assert (kept["study"], kept["suggested"], kept["asked_for"]) == ("digits8", 12, 20)
    assert (kept["possible"], kept["exhausted"]) == (9648, False)
    assert len(kept["finished"]) == 12
    first = kept["finished"][0]
    assert first["objective"] == min(one["objective"] for one in kept["finished"])
    assert set(first) == {
        "trial_id", "parameters", "objective", "best_iteration", "mode_collapse_at", "status",
        "not_judged",
    }  # fmt: skip
    assert kept["categories"]["channels"] == [32, 64, 128, 256]
