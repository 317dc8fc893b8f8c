"""Contests: what is asked for, what of it can run, and what it is called."""

from __future__ import annotations

from typing import Any

import pytest

from sweep.plan.contest import Contest, contest
from trainer.config.lookup import UsageError
from trainer.config.own_images import OwnImages


def small(*methods: str, **changes: Any) -> Contest:
    given: dict[str, Any] = {
        "budget": 3,
        "tuning_setting": "C_32-32",
        "tuning_seeds": [0, 1],
        "settings": ["C_8-32", "C_32-32"],
        "seeds": [10, 11, 12],
        "sampler_seed": 0,
    }
    return contest("digits", methods or ("sn", "sr-static"), **(given | changes))


def test_every_method_has_the_budget_unless_it_has_fewer_candidates() -> None:
    rivals = small("sn", "sr-static", "rpgan", budget=20)
    assert [rivals.candidates(space) for space in rivals.spaces] == [0, 20, 11]
    assert [space.method for space in rivals.spaces] == ["sn", "sr-static", "rpgan"]
    sr = rivals.spaces[1]
    assert [c.seed for c in rivals.tuning_trials(sr, sr.published())] == [0, 1]
    finals = rivals.final_trials(sr, sr.published())
    assert [(c.setting, c.seed) for c in finals] == [
        (setting, seed) for setting in ("C_8-32", "C_32-32") for seed in (10, 11, 12)
    ]


def test_a_winner_is_not_judged_on_the_seeds_it_was_chosen_by() -> None:
    with pytest.raises(UsageError, match="seed 1 is one of --tuning-seeds and of --seeds"):
        small(seeds=[1, 2])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tuning_setting": "C_9-32"}, "unknown setting 'C_9-32'; did you mean: C_8-32"),
        ({"settings": ["F_*"]}, r"unknown setting 'F_\*'"),
        ({"iterations": 0}, "iterations must be at least 1"),
    ],
)
def test_names_and_values_are_looked_up(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        small(**changes)
    with pytest.raises(UsageError, match="unknown method 'sr_static'"):
        small("sr_static")


def test_what_does_not_go_together_is_skipped_by_name() -> None:
    rivals = contest(
        "paper", ["sn", "unrolled"], budget=2, tuning_setting="B_64-64", tuning_seeds=[0],
        settings=["B_64-64", "E_512-64"], seeds=[1], sampler_seed=0, scorer=None,
    )  # fmt: skip
    assert list(rivals.skipped) == ["E_512-64 with unrolled"]
    unrolled = rivals.spaces[1]
    finals = rivals.final_trials(unrolled, unrolled.published())
    assert [config.setting for config in finals] == ["B_64-64"]


def test_names_are_those_of_equal_contests() -> None:
    name = small().default_name
    assert name.startswith("rivals-digits-")
    assert small().default_name == name
    for changes in ({"budget": 4}, {"seeds": [10]}, {"sampler_seed": 1}, {"iterations": 9}):
        assert small(**changes).default_name != name
    assert small("sn").default_name != name
    assert small().identity == small(budget=9, seeds=[7]).identity
    assert small().identity != small(tuning_seeds=[0]).identity


def test_methods_can_be_tuned_on_own_pictures() -> None:
    own = OwnImages(resolution=32, sha256="ab" * 32, images=900)
    rivals = contest(
        "small",
        ["sn", "sr-static"],
        budget=2,
        tuning_setting="C_32-32",
        tuning_seeds=[0],
        settings=["C_8-32", "U_8-32"],
        seeds=[10],
        sampler_seed=0,
        dataset=own.name,
        **own.fields,
    )
    assert (rivals.tuning_setting, list(rivals.settings)) == ("U_32-32", ["U_8-32"])
    sr = rivals.spaces[1]
    trials = [*rivals.tuning_trials(sr, sr.published()), *rivals.final_trials(sr, sr.published())]
    assert {c.own_images for c in trials} == {own}
    assert [c.setting for c in trials] == ["U_32-32", "U_8-32"]
