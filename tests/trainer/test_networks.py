"""From a configuration to networks: which, and with which first weights."""

import pytest
import torch

from trainer.affine import AffineDiscriminator, AffineGenerator
from trainer.config.methods import METHODS
from trainer.config.settings import SETTINGS
from trainer.config.trial import trial_config
from trainer.models import Discriminator, Generator
from trainer.networks import build
from trainer.toys import PointDiscriminator, PointGenerator

SMALL = {"device": "cpu", "channels": 2, "generator_channels": 2}


def state(config):
    """Weights and singular vectors of (G, D), without the gains of weight normalization."""
    return [
        {name: value for name, value in network.state_dict().items() if not name.endswith("gain")}
        for network in build(config)
    ]


def equal(a, b):
    return [
        x.keys() == y.keys() and all(torch.equal(x[name], y[name]) for name in x)
        for x, y in zip(a, b, strict=True)
    ]


@pytest.mark.parametrize(("profile", "setting"), [("digits", "C_8-32"), ("toy", "ring8")])
def test_every_method_of_a_seed_starts_from_the_same_weights(profile, setting):
    first = state(trial_config(profile, setting, "sn", 3, **SMALL))
    of_images = ("bcr", "diffaug") if profile == "toy" else ()
    for method in (name for name in METHODS if name not in of_images):
        other = state(trial_config(profile, setting, method, 3, **SMALL))
        # A D of packs has a first layer of another shape.
        assert equal(first, other) == [True, METHODS[method].packing is None], method


def test_seeds_differ_in_both_networks():
    a, b = (state(trial_config("digits", "C_8-32", "sn", seed, **SMALL)) for seed in (0, 1))
    assert equal(a, b) == [False, False]
    assert equal(a, state(trial_config("digits", "C_8-32", "sn", 0, **SMALL))) == [True, True]


def test_building_does_not_touch_the_global_generator():
    before = torch.get_rng_state()
    config = trial_config("digits", "C_8-32", "sn", 0, **SMALL)
    first = state(config)
    torch.manual_seed(1)
    assert equal(first, state(config)) == [True, True]
    torch.set_rng_state(before)


@pytest.mark.parametrize("method", METHODS)
def test_discriminator_is_normalised_as_the_method_says(method):
    g, d = build(trial_config("digits", "C_8-32", method, 0, **SMALL))
    wanted = METHODS[method].normalisation
    assert {layer.normalisation for layer in d.normalised_layers()} == {wanted}
    assert g.normalised_layers() == [], "G is normalised on ImageNet only"


@pytest.mark.parametrize("name", SETTINGS)
def test_networks_of_the_paper_profile(name):
    """On the meta device: shapes only."""
    config = trial_config("paper", name, "sn", 0)
    with torch.device("meta"):
        d = Discriminator(config.resolution, config.channels, config.classes)
        g = Generator(
            config.resolution, config.generator_channels, config.latent_size, config.classes
        )
    imagenet = SETTINGS[name].dataset == "imagenet"
    assert g.bottom * 2 ** len(g.blocks) == config.resolution == (128 if imagenet else 32)
    assert g.blocks[-1].c2.out_channels == (64 if imagenet else 256)
    assert len(d.regularised_layers()) == (17 if imagenet else 10)
    assert d.blocks[0].c1.out_channels == SETTINGS[name].channels


def test_imagenet_is_conditional_with_a_normalised_generator():
    g, d = build(trial_config("paper", "E_512-64", "sn", 0, **SMALL))
    assert d.embedding.weight.shape == (1000, 32)
    assert g.blocks[0].bn1.gamma.shape == (1000, 32)
    assert len(g.normalised_layers()) == 17
    for layer in [*g.normalised_layers(), *d.normalised_layers()]:
        assert layer.u.norm().item() == pytest.approx(1, rel=1e-5)


def test_conditional_cifar_has_ten_classes():
    config = trial_config("paper", "A_64-128", "sn", 0, dataset="cifar10-conditional", **SMALL)
    g, d = build(config)
    assert d.embedding.weight.shape == (10, 2)
    assert g.blocks[2].bn2.beta.shape == (10, 2)
    labels = torch.tensor([0, 9])
    assert d(g(torch.randn(2, 128), labels), labels).shape == (2,)


@pytest.mark.parametrize("problem", ["ring8", "grid25"])
def test_networks_in_the_plane(problem):
    g, d = build(trial_config("toy", problem, "sn", 0))
    assert isinstance(g, PointGenerator)
    assert isinstance(d, PointDiscriminator)
    points = g(torch.randn(3, 64))
    assert points.shape == (3, 2)
    assert d(points).shape == (3,)


def test_networks_of_the_affine_problem():
    g, d = build(trial_config("toy", "affine", "jare", 0))
    assert isinstance(g, AffineGenerator)
    assert isinstance(d, AffineDiscriminator)
    assert d(g(torch.randn(3, 2))).shape == (3,)
