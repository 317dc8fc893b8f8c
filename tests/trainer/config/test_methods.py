"""The presets and their axes."""

import pytest

from trainer.config.methods import METHODS, NOT_ADDITIVE
from trainer.layers import NORMALISATIONS
from trainer.losses import LOSSES, PAIR_LOSSES

# By name: normalisation, compensation, renormalised, form; penalty, loss, simultaneous.
AXES = {
    "sn": ("sn", None, False, None),
    "sn-ttur": ("sn", None, False, None),
    "sr-static": ("sn", "static", True, "project"),
    "sn-renorm": ("sn", None, True, "project"),
    "sr-lift": ("sn", "static", False, "project"),
    "sr-dynamic": ("sn", "dynamic", False, "project"),
    "sr-dynamic-renorm": ("sn", "dynamic", True, "project"),
    "sr-static-reparam": ("sn", "static", True, "reparam"),
    "sr-dynamic-reparam": ("sn", "dynamic", True, "reparam"),
    "sr-floor": ("sn", "floor", False, "project"),
    "sr-iso": ("sn", "first", False, "project"),
    "none": ("none", None, False, None),
    "wn": ("wn", None, False, None),
    "pacgan": ("sn", None, False, None),
    "simgd": ("none", None, False, None),
    "jare": ("none", None, False, None),
    "conopt": ("none", None, False, None),
    "r1": ("none", None, False, None),
    "rpgan": ("none", None, False, None),
    "rpgan-r1r2": ("none", None, False, None),
    "unrolled": ("none", None, False, None),
    "wgan-gp": ("none", None, False, None),
    "orthonormal": ("none", None, False, None),
    "srip": ("none", None, False, None),
    "lecam": ("sn", None, False, None),
    "bcr": ("sn", None, False, None),
    "diffaug": ("sn", None, False, None),
    "nugan": ("sn", None, False, None),
}
# Penalty and its weight in the source, loss, both players at once.
PLAIN = (None, None, "hinge", False)
TRAINING = {
    "simgd": (None, None, "non-saturating", True),
    "jare": ("jare", 100, "non-saturating", True),
    "conopt": ("conopt", 10, "non-saturating", True),
    "r1": ("r1", 10, "non-saturating", False),
    "rpgan": (None, None, "relativistic", False),
    "unrolled": (None, None, "non-saturating", False),
    "rpgan-r1r2": ("r1r2", 0.05, "relativistic", False),
    "wgan-gp": ("wgan-gp", 10, "wasserstein", False),
    "lecam": ("lecam", 0.3, "hinge", False),
    "bcr": ("bcr", 10, "hinge", False),
    "orthonormal": ("orthonormal", 1e-4, "hinge", False),
    "srip": ("srip", 0.01, "hinge", False),
}


def test_what_every_method_does_to_the_weights():
    found = {
        name: (m.normalisation, m.compensation, m.renormalises, m.form)
        for name, m in METHODS.items()
    }
    assert found == AXES


def test_what_every_method_does_to_the_updates():
    found = {
        name: (m.penalty, m.penalty_weight, m.loss, m.simultaneous) for name, m in METHODS.items()
    }
    assert found == {name: TRAINING.get(name, PLAIN) for name in AXES}
    assert [name for name, m in METHODS.items() if m.nudges] == ["nugan"]
    factors = {name: m.discriminator_rate_factor for name, m in METHODS.items()}
    assert {name: factor for name, factor in factors.items() if factor} == {"sn-ttur": 4.0}
    assert {name: m.packing for name, m in METHODS.items() if m.packing} == {"pacgan": 2}
    foreseen = {name: m.unrolled_steps for name, m in METHODS.items() if m.unrolled_steps}
    assert foreseen == {"unrolled": 5}
    assert [name for name, m in METHODS.items() if m.augments] == ["diffaug"]


@pytest.mark.parametrize("name", METHODS)
def test_axes_hold_what_the_trainer_knows(name):
    method = METHODS[name]
    assert method.normalisation in NORMALISATIONS
    assert method.compensation in (None, "static", "dynamic", "floor", "first")
    assert method.loss in {*LOSSES, *PAIR_LOSSES}
    assert (method.penalty is None) == (method.penalty_weight is None)
    assert method.lifts == (method.compensation == "static")
    if method.reparametrised:
        assert method.compensation
        assert method.renormalises, "W_SR is divided by sigma_1"


@pytest.mark.parametrize("name", METHODS)
def test_formula_and_source_are_one_line_each(name):
    for text in (METHODS[name].formula, METHODS[name].source):
        assert text.strip() == text != ""
        assert "\n" not in text


def test_the_four_cells_of_sn_against_sr():
    cells = {
        (METHODS[name].lifts, METHODS[name].renormalises)
        for name in ("sn", "sn-renorm", "sr-lift", "sr-static")
    }
    assert len(cells) == 4


def test_controls_are_named_as_such_and_nugan_as_a_reading():
    for name in ("sn-renorm", "sr-lift", "sr-floor", "sr-iso"):
        assert METHODS[name].source == "control, not in the paper"
    assert "our reading of the abstract" in METHODS["nugan"].source


def test_penalties_that_do_not_add_up_are_those_of_mean_gradients():
    assert {METHODS[name].penalty for name in NOT_ADDITIVE} == set(NOT_ADDITIVE)
