"""A person's own networks: the methods do to their weights what they do to this project's."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.own_code_files import own_code, write_code
from trainer.config.lookup import UsageError
from trainer.config.own_code import NetworkSizes
from trainer.config.trial import TrialConfig, trial_config
from trainer.data.images import load
from trainer.layers import advance, begin
from trainer.loop import train
from trainer.own_networks import OwnDiscriminator, built
from trainer.state import TrainState, from_bytes, initial_state, to_bytes
from trainer.updates import train_iteration

SIZES = NetworkSizes(resolution=8, channels=4, generator_channels=4, latent_size=8, classes=None)
SMALL = {"channels": 4, "generator_channels": 4, "batch_size": 8, "micro_batch": 8}
SMALL |= {"generator_batch_size": 8}


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    return write_code(tmp_path, monkeypatch, "own_networks_module")


def config_of(method: str, **changes) -> TrialConfig:
    return trial_config("digits", "C_8-32", method, 0, iterations=20, **{**SMALL, **changes})


def with_weights_of(native: TrainState, own: TrainState) -> None:
    """Gives the own networks the weights and singular vectors of this project's."""
    own.generator.network.load_state_dict(native.generator.state_dict())
    values = native.discriminator.state_dict()
    moved = {}
    for name in own.discriminator.state_dict():
        path = name.removeprefix("network.")
        layer, mark, rest = path.partition(".parametrizations.weight.")
        source = f"{layer}.{'weight' if rest == 'original' else rest[2:]}" if mark else path
        moved[name] = values[source]
    own.discriminator.load_state_dict(moved)


@pytest.mark.parametrize(
    "method",
    [
        *("none", "sn", "wn", "sr-static", "sr-dynamic", "sr-static-reparam", "srip", "r1"),
        *("jare", "lecam", "unrolled", "rpgan-r1r2", "wgan-gp", "diffaug"),
    ],
)
def test_methods_do_the_same_to_the_same_networks(module: str, method: str) -> None:
    plain = config_of(method)
    config = config_of(method, code=own_code(networks=f"{module}:build"))
    native, own = initial_state(plain), initial_state(config)
    with_weights_of(native, own)
    data = load("digits8", "cpu")
    for _ in range(3):
        expected = train_iteration(plain, native, data)
        measured = train_iteration(config, own, data)
        torch.testing.assert_close(measured, expected, rtol=1e-3, atol=1e-4, equal_nan=True)
    spectra = [
        torch.linalg.svdvals(layer.weight.detach().flatten(1))
        for layer in native.discriminator.regularised_layers()
    ]
    layers = own.discriminator.regularised_layers()
    for layer, expected in zip(layers, spectra, strict=True):
        actual = torch.linalg.svdvals(layer.weight.detach().flatten(1))
        torch.testing.assert_close(actual, expected, rtol=1e-2, atol=2e-3)


def test_a_resumed_run_is_the_same_whatever_the_networks_draw(module: str) -> None:
    code = own_code(networks=f"{module}:restless", augment=f"{module}:flipped")
    config = config_of("sr-dynamic", code=code, evaluate_every=2, curve_samples=4)
    data = load("digits8", "cpu")
    whole, kept = initial_state(config), b""
    for evaluation in itertools.islice(train(config, whole, data, None), 3):
        if evaluation.iteration == 2:
            kept = to_bytes(config, whole)
    resumed = from_bytes(config, kept)
    for _ in itertools.islice(train(config, resumed, data, None), 1):
        torch.rand(5)  # what draws beside it changes nothing
    assert whole.iteration == resumed.iteration == 4
    assert whole.history[-1]["d_loss"] == resumed.history[-1]["d_loss"]
    for name, tensor in whole.discriminator.state_dict().items():
        assert torch.equal(tensor, resumed.discriminator.state_dict()[name]), name


def test_the_first_weights_are_those_of_the_networks_and_of_the_seed(module: str) -> None:
    code = own_code(networks=f"{module}:restless")
    first, same, other_method, other_seed = (
        initial_state(trial_config("digits", "C_8-32", method, seed, code=code, **SMALL))
        for method, seed in (("sn", 0), ("sn", 0), ("none", 0), ("sn", 1))
    )
    weights = [s.discriminator.network.head.weight for s in (first, same)]
    assert torch.equal(*weights)
    parameters = [
        s.discriminator.network.conv.parametrizations.weight.original
        for s in (first, other_method, other_seed)
    ]
    assert torch.equal(parameters[0], parameters[1])
    assert not torch.equal(parameters[0], parameters[2])
    assert first.discriminator.network.conv.bias.abs().sum() > 0  # torch's, not zeros


@pytest.mark.parametrize(
    ("layer", "x"),
    [
        (nn.ConvTranspose2d(3, 5, 3), torch.randn(2, 3, 8, 8)),
        (nn.Conv1d(3, 5, 3), torch.randn(2, 3, 8)),
        (nn.Linear(8, 6), torch.randn(2, 8)),
    ],
)
def test_a_normalised_weight_has_norm_1_as_a_matrix_of_outputs(layer, x) -> None:
    d = OwnDiscriminator(layer, conditional=False)
    d.track("sn", x, None)
    begin(d.normalised_layers(), torch.Generator().manual_seed(0))
    for _ in range(100):
        advance(d.normalised_layers())
    weight = layer.weight.detach()
    outputs_first = weight.movedim(1, 0) if isinstance(layer, nn.ConvTranspose2d) else weight
    assert float(torch.linalg.matrix_norm(outputs_first.flatten(1), 2)) == pytest.approx(1, 1e-4)


def test_frozen_parameters_stay_frozen() -> None:
    network = nn.Sequential(nn.Linear(8, 6), nn.Linear(6, 4))
    network[0].requires_grad_(False)
    d = OwnDiscriminator(network, conditional=False)
    d.track("sn", torch.randn(2, 8), None)
    d.requires_grad_(False).requires_grad_(True)
    assert [p.requires_grad for p in network[0].parameters()] == [False, False]
    assert all(p.requires_grad for p in network[1].parameters())
    assert len(d.normalised_layers()) == 1


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (nn.utils.parametrizations.spectral_norm(nn.Linear(8, 6)), "a spectral norm of its own"),
        (nn.utils.parametrizations.weight_norm(nn.Linear(8, 6)), "a weight normalization of its"),
        (nn.Unflatten(1, (8, 1)), "no weight is multiplied by D's input"),
    ],
)
def test_what_no_method_can_act_on_is_named(network: nn.Module, words: str) -> None:
    d = OwnDiscriminator(network, conditional=False)
    d.track("sn", torch.randn(2, 8), None)
    assert words in (d.untouchable or "")
    assert not d.normalised_layers()


def one(channels):
    return nn.Linear(channels, 1)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda width: None, "asks for width; networks are built of any of resolution, channels"),
        (lambda: one(3), r"must return \(G, D\), two modules of torch, but returned a Linear"),
        (lambda channels: (one(channels), 3), "but returned a tuple of Linear, int"),
        (lambda latent_size: 1 / 0, "failed with latent_size=8: ZeroDivisionError"),
    ],
)
def test_what_builds_no_networks_is_one_line(function, words: str) -> None:
    with pytest.raises(UsageError, match=words) as refusal:
        built("nets:build", function, SIZES)
    assert "\n" not in str(refusal.value)
