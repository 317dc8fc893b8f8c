"""Layers of every kind: their spectra against SVD, projection of blocks, names and votes."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.trainer.weights.models import KINDS, Labelled, Mixed, Shared, build
from trainer.compensation import compensated
from trainer.config.methods import METHODS
from trainer.weights.layer import (
    block_spectra,
    layer_name,
    layers_of,
    projected_blocks,
    unused_parameters,
)
from trainer.weights.trace import trace


def layers(network, x):
    _, found = trace(network, lambda: network(x))
    return layers_of(found, network), found


@pytest.mark.parametrize("kind", KINDS)
def test_a_spectrum_is_the_svd_of_what_was_applied(kind):
    network, x = build(kind)
    found, record = layers(network, x)
    applied = record.uses[0].layout.matrices(record.uses[0].applied)
    truth = np.linalg.svd(applied.double().numpy(), compute_uv=False)
    # Without v in a buffer sigma_1 is known from u alone, half a power iteration ahead.
    tolerance = 0.1 if kind == "own spectral norm" else 1e-4
    np.testing.assert_allclose(found[0].spectrum(), truth, rtol=tolerance)


BLOCKS = torch.randn(5, 4, 9, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("method", [n for n, m in METHODS.items() if m.form == "project"])
@pytest.mark.parametrize("tall", [False, True])
def test_blocks_together_are_blocks_one_by_one(method, tall):
    blocks = BLOCKS.mT if tall else BLOCKS
    m = METHODS[method]
    options = {
        "i_ratio": 0.5 if m.lifts else None,
        "floor": 0.7 if m.compensation == "floor" else None,
    }
    memory, memories = None, [None] * 5
    for scale in (1.0, 2.0):
        drawn = blocks * scale + torch.linspace(0, scale, 5)[:, None, None]
        ours, memory = projected_blocks(m, drawn, memory, **options)
        pairs = [compensated(m, b, k, **options) for b, k in zip(drawn, memories, strict=True)]
        memories = [k for _, k in pairs]
        torch.testing.assert_close(ours, torch.stack([w for w, _ in pairs]), rtol=1e-4, atol=1e-5)


def test_a_block_of_zeros_or_nan_leaves_the_others_as_they_are():
    blocks = BLOCKS.clone()
    blocks[1], blocks[2, 0, 0], blocks[3, 1:] = 0, np.nan, 0
    ours, _ = projected_blocks(METHODS["sr-static"], blocks, None, 1.0, None)
    sigma = block_spectra(ours)
    np.testing.assert_allclose(sigma[[0, 3, 4]], 1, rtol=1e-5)
    assert (sigma[1] == 0).all()
    assert sigma[2].isnan().all()


def test_a_parameter_is_one_layer_however_often_it_is_used():
    network = Shared()
    found, record = layers(network, torch.randn(4, 6))
    assert [layer.name for layer in found] == ["layer", "head"]
    assert unused_parameters(network, found, record) == {
        "never": "no product of the traced forward pass used it"
    }


def test_a_kernel_per_sample_is_unused_and_says_why():
    network = nn.Sequential(nn.Conv2d(6, 6, 1), Mixed())
    found, record = layers(network, torch.randn(2, 6, 5, 5))
    assert unused_parameters(network, found, record) == {
        "1.weights": "mixed with the input before it is a weight"
    }


def test_layers_vote_by_a_rule_and_not_by_their_number():
    network = nn.Sequential(
        nn.Conv2d(6, 8, 3), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 3, 3), nn.Flatten(), nn.Linear(3, 1)
    )
    found, _ = layers(network, torch.randn(2, 6, 5, 5))
    assert [layer.votes for layer in found] == [True, False, False, False]
    found, _ = layers(Labelled(), torch.randn(4, 6))
    assert {layer.name: layer.votes for layer in found}["embedding"] is False


def test_a_codebook_is_watched_and_says_why():
    layer = nn.Linear(6, 6)
    _, found = trace(layer, lambda: nn.functional.linear(torch.randn(2, 6), layer.weight.detach()))
    (ours,) = layers_of(found, layer)
    assert ours.reason == "no gradient reaches it"
    assert not ours.votes


def test_a_weight_used_at_two_scales_is_watched_and_says_why():
    layer = nn.Linear(6, 6)
    x = torch.randn(2, 6)
    _, found = trace(layer, lambda: layer(x) + nn.functional.linear(x, 2 * layer.weight))
    (ours,) = layers_of(found, layer)
    assert ours.reason == "its uses scale it differently"


@pytest.mark.parametrize(
    ("parameter", "name"),
    [
        ("blocks.0.weight", "blocks.0"),
        ("c.weight_orig", "c"),
        ("c.weight_v", "c"),
        ("c.parametrizations.weight.original", "c"),
        ("c.parametrizations.weight.original1", "c"),
        ("attention.in_proj_weight", "attention.in_proj_weight"),
        ("weight", "weight"),
    ],
)
def test_a_layer_has_the_name_of_its_module(parameter, name):
    assert layer_name(parameter) == name
