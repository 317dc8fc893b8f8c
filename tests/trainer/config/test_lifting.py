"""Which singular values a trial lifts: against the networks themselves."""

import pytest
import torch

from trainer.config.lifting import layer_ranks, lifted_counts, lifts_nothing, warnings
from trainer.config.settings import SETTINGS
from trainer.config.trial import trial_config
from trainer.models import Discriminator
from trainer.spectral import lifted_count
from trainer.toys import PointDiscriminator


@pytest.mark.parametrize(
    ("profile", "setting", "method"),
    [
        *(("paper", setting, "sr-static") for setting in ("A_16-128", "C_64-32", "D_512-256")),
        ("paper", "E_512-64", "sr-lift"),
        ("digits", "A_64-128", "sr-static-reparam"),
        ("digits", "C_8-32", "pacgan"),
        ("toy", "ring8", "sn"),
    ],
)
def test_ranks_are_those_of_the_networks(profile, setting, method):
    config = trial_config(profile, setting, method, 0)
    packing = config.packing or 1
    with torch.device("meta"):
        if config.resolution is None:
            network = PointDiscriminator(config.channels, "sn", packing)
        else:
            network = Discriminator(config.resolution, config.channels, packing=packing)
    weights = [layer.weight for layer in network.regularised_layers()]
    assert list(layer_ranks(config)) == [min(weight.flatten(1).shape) for weight in weights]
    counts = lifted_counts(config)
    if config.i_ratio is None:
        assert counts is None
    else:
        assert list(counts or ()) == [lifted_count(config.i_ratio, w) for w in weights]


def test_the_affine_game_has_no_layers():
    assert layer_ranks(trial_config("toy", "affine", "simgd", 0)) == ()


def test_every_setting_of_the_digits_lifts_something_at_the_papers_i():
    configs = [trial_config("digits", setting, "sr-static", 0) for setting in SETTINGS]
    assert warnings(configs) == []


def test_an_i_that_lifts_nothing_is_told_once_a_method():
    configs = [
        trial_config("digits", "C_32-32", method, seed, i_ratio=1 / 32)
        for method in ("sr-static", "sr-lift")
        for seed in (0, 1)
    ]
    assert all(lifts_nothing(config) for config in configs)
    lines = warnings(configs)
    assert [line.partition(": ")[0] for line in lines] == [
        "i is 1 in every layer of D in 2 trials of sr-static",
        "i is 1 in every layer of D in 2 trials of sr-lift",
    ]
    assert "the numbers are those of sn-renorm; a larger --i-ratio" in lines[0]
