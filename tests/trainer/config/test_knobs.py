"""The table of knobs against the configurations that it is to change."""

from __future__ import annotations

import dataclasses
from itertools import pairwise, product

import pytest

from trainer.config.knobs import KNOBS, RATE, tuning_note
from trainer.config.methods import METHODS
from trainer.config.trial import TrialConfig, trial_config

FIELDS = {field.name for field in dataclasses.fields(TrialConfig)}


def default(method: str, name: str, profile: str = "digits") -> float:
    value = getattr(trial_config(profile, "C_32-32", method, 0), name)
    return 1.0 if value is None and name == RATE.name else value


def test_every_method_has_a_row_with_at_most_two_knobs_of_its_own() -> None:
    assert set(KNOBS) == set(METHODS)
    for method, knobs in KNOBS.items():
        names = [knob.name for knob in knobs]
        assert len(set(names)) == len(names)
        assert set(names) <= FIELDS
        assert len(set(names) - {RATE.name}) <= 2
        assert (RATE.name in names) == (method != "sn"), "sn at another rate is sn-ttur"
        assert all(knob.source for knob in knobs)


@pytest.mark.parametrize("method", [method for method in METHODS if KNOBS[method]])
def test_every_corner_runs_and_the_published_value_is_a_level(method: str) -> None:
    knobs = KNOBS[method]
    for knob in knobs:
        assert all(low < high for low, high in pairwise(knob.levels))
        assert default(method, knob.name) in knob.levels
        assert default(method, knob.name, "paper") in knob.levels
    ids = set()
    for corner in product(*[(knob.levels[0], knob.levels[-1]) for knob in knobs]):
        values = {knob.name: value for knob, value in zip(knobs, corner, strict=True)}
        ids.add(trial_config("digits", "C_32-32", method, 0, **values).trial_id)
    assert len(ids) == 2 ** len(knobs), "each is a trial of its own"


def test_rates_of_d_are_half_octaves() -> None:
    ratios = [high / low for low, high in pairwise(RATE.levels)]
    assert ratios == pytest.approx([2**0.5] * len(ratios), rel=0.01)


@pytest.mark.parametrize(
    ("method", "note"),
    [
        ("sn", "runs as published"),
        ("rpgan", "D's learning rate alone is tuned"),
        ("sr-static", None),
        ("pacgan", None),
    ],
)
def test_a_method_without_knobs_says_so(method: str, note: str | None) -> None:
    words = tuning_note(method)
    assert words is None if note is None else note in (words or "")
