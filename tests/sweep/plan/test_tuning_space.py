"""Tuning spaces: the candidates of a method and the trials that they are."""

from __future__ import annotations

import pytest

from sweep.plan.tuning_space import TuningSpace
from trainer.config.lookup import UsageError
from trainer.config.trial import trial_config


def space(method: str, profile: str = "digits", setting: str = "C_32-32") -> TuningSpace:
    return TuningSpace(profile=profile, setting=setting, method=method)


def test_as_published_a_candidate_is_the_trial_of_every_other_sweep() -> None:
    for method in ("sn", "sn-ttur", "sr-static", "rpgan-r1r2", "pacgan", "rpgan"):
        tuned = space(method)
        published = trial_config("digits", "C_32-32", method, 3)
        assert tuned.trial(tuned.published(), 3) == published
        assert tuned.trial(tuned.published(), 3).trial_id == published.trial_id


def test_a_candidate_changes_what_it_names_and_nothing_else() -> None:
    tuned = space("sr-static")
    candidate = {"i_ratio": 0.25, "projection_period": 10, "discriminator_rate_factor": 2.0}
    config = tuned.trial(candidate, 1, "B_64-64")
    assert config == trial_config("digits", "B_64-64", "sr-static", 1, **candidate)


def test_candidates_are_all_combinations_that_can_run() -> None:
    tuned = space("pacgan")
    candidates = list(tuned.candidates())
    assert len(candidates) == tuned.size == 3 * 11
    assert tuned.published() in candidates
    assert space("sn").size == 0
    assert not tuned.runs({"packing": 1})
    with pytest.raises(UsageError):
        tuned.trial({"packing": 1}, 0)


def test_a_distance_is_1_over_the_range_of_each_knob() -> None:
    tuned = space("sr-static")
    low = {knob.name: knob.levels[0] for knob in tuned.knobs}
    high = {knob.name: knob.levels[-1] for knob in tuned.knobs}
    assert tuned.distance(low, low) == 0
    assert tuned.distance(low, high) == 3
    assert tuned.distance(low, low | {"projection_period": 2}) == pytest.approx(1 / 4)
