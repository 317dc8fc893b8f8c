"""Which thresholds a trial has."""

from dataclasses import replace

from tests.own_pictures import own_config
from trainer.config.trial import trial_config
from trainer.thresholds import DEFAULT_THRESHOLDS, TOY_THRESHOLDS, thresholds_for


def test_toys_have_thresholds_of_their_own():
    digits = trial_config("digits", "C_32-32", "sn", 0)
    assert thresholds_for(digits) == replace(DEFAULT_THRESHOLDS, shortest=1_000)
    ring = trial_config("toy", "ring8", "jare", 0)
    assert thresholds_for(ring) == replace(TOY_THRESHOLDS, shortest=12_000)


def test_the_shortest_run_is_that_of_the_recipe_whatever_the_trial_plans():
    for iterations in (None, 40, 100_000):
        cifar = trial_config("paper", "C_32-32", "sn", 0, iterations=iterations)
        assert thresholds_for(cifar).shortest == 50_000


def test_own_pictures_have_the_thresholds_of_their_resolution_s_recipe():
    assert thresholds_for(own_config()).shortest == 2_000
    assert thresholds_for(own_config(128, profile="paper", device="cpu")).shortest == 500_000
