"""Which thresholds a trial has."""

from trainer.config.trial import trial_config
from trainer.thresholds import DEFAULT_THRESHOLDS, TOY_THRESHOLDS, thresholds_for


def test_toys_have_thresholds_of_their_own():
    assert thresholds_for(trial_config("digits", "C_32-32", "sn", 0)) is DEFAULT_THRESHOLDS
    assert thresholds_for(trial_config("paper", "C_32-32", "sn", 0)) is DEFAULT_THRESHOLDS
    assert thresholds_for(trial_config("toy", "ring8", "jare", 0)) is TOY_THRESHOLDS
