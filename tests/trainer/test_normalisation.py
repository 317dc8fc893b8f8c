"""W / sigma shared by all passes of an update, against what autograd makes of each layer."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.trainer.test_layers import CONV, EMBEDDING, LINEAR, layer_of, seeded
from trainer import stacks, updates
from trainer.config.trial import trial_config
from trainer.data import images
from trainer.layers import advance
from trainer.normalisation import normalised
from trainer.spectral import as_matrix, power_iteration
from trainer.state import initial_state
from trainer.updates import train_iteration


def several_layers():
    layers = [layer_of(kind, "sn") for kind in (CONV, LINEAR, CONV, EMBEDDING, LINEAR)]
    with torch.no_grad():
        for layer in layers[2:]:
            layer.u.normal_(generator=seeded(5))
            layer.weight.normal_(generator=seeded(6))
        for layer in layers:
            layer.weight.data = layer.weight.contiguous(
                memory_format=torch.channels_last
                if layer.weight.dim() == 4
                else torch.contiguous_format
            )
    return layers


def stepped(layers: list, *, moves: bool) -> list[Tensor]:
    """What the layers' weights are multiplied with, after a power iteration by F.normalize."""
    quotients = []
    for layer in layers:
        if moves:
            matrix = as_matrix(layer.weight.detach())
            layer.v.copy_(F.normalize(matrix.mT @ layer.u, dim=0))
            layer.u.copy_(F.normalize(matrix @ layer.v, dim=0))
        sigma = layer.u @ as_matrix(layer.weight) @ layer.v
        quotients.append(layer.weight / sigma)
    return quotients


@pytest.mark.parametrize("moves", [True, False], ids=["advancing", "standing"])
@pytest.mark.parametrize("in_stacks", [True, False], ids=["stacks", "one by one"])
def test_weights_and_gradients_are_those_of_autograd(in_stacks, moves, monkeypatch):
    """Of two passes, in float64, and of layers of which two share a shape."""
    monkeypatch.setattr(stacks, "runs_in_stacks", lambda _: in_stacks)
    layers = several_layers()
    twins = copy.deepcopy(layers)
    truth = stepped(twins, moves=moves)
    with normalised(layers, advances=moves):
        shared = [layer.normalised for layer in layers]
        for weight, layer in zip(shared, layers, strict=True):
            assert weight is not None
            assert weight.stride() == layer.weight.stride()
        for power in (2, 3):
            sum((w**power).sum() for w in shared if w is not None).backward()
            sum((w**power).sum() for w in truth).backward(retain_graph=True)
    for layer, twin, weight, exact in zip(layers, twins, shared, truth, strict=True):
        torch.testing.assert_close(weight.detach(), exact.detach())
        torch.testing.assert_close((layer.u, layer.v), (twin.u, twin.v))
        torch.testing.assert_close(layer.weight.grad, twin.weight.grad)
        assert layer.normalised is None


@pytest.mark.parametrize("in_stacks", [True, False], ids=["stacks", "one by one"])
def test_only_used_layers_that_train_take_a_gradient(in_stacks, monkeypatch):
    monkeypatch.setattr(stacks, "runs_in_stacks", lambda _: in_stacks)
    used, idle, frozen = layer_of(CONV, "sn"), layer_of(LINEAR, "sn"), layer_of(EMBEDDING, "sn")
    plain = layer_of(CONV, "none")
    frozen.requires_grad_(False)
    with normalised([used, idle, frozen, plain]):
        assert plain.normalised is None
        total = used.normalised.sum() + frozen.normalised.sum()
        total.backward()
    assert used.weight.grad is not None
    assert (idle.weight.grad, frozen.weight.grad, plain.weight.grad) == (None, None, None)


def test_layers_without_a_share_are_left_to_autograd():
    layer = layer_of(CONV, "sn")
    with normalised([layer], shares=False):
        assert layer.normalised is None
    layer.requires_grad_(False)
    with normalised([layer], shares=False):
        assert layer.normalised is not None


def test_a_layer_advances_as_a_power_iteration_says():
    layers = several_layers()
    expected = [power_iteration(layer.weight.detach(), layer.u.clone()) for layer in layers]
    products = advance(layers)
    for layer, (u, v), product in zip(layers, expected, products, strict=True):
        assert torch.equal(layer.u, u)
        assert torch.equal(layer.v, v)
        assert torch.equal(product, as_matrix(layer.weight.detach()) @ v)


@pytest.fixture(scope="module")
def digits():
    return images.load("digits8", "cpu")


def trained(config, data):
    state = initial_state(config)
    measured = [train_iteration(config, state, data) for _ in range(3)]
    weights = [*state.generator.state_dict().values(), *state.discriminator.state_dict().values()]
    return [*weights, torch.stack(measured)[:, :2]]


SMALL = {"batch_size": 12, "channels": 6}


@pytest.mark.parametrize("method", ["sn", "sr-static", "sr-static-reparam", "lecam"])
def test_no_bit_of_a_run_on_a_cpu_changes_by_sharing(method, digits, monkeypatch):
    config = trial_config("digits", "C_8-32", method, 0, micro_batch=12, **SMALL)
    assert updates.shares_weights(config)
    shared = trained(config, digits)
    monkeypatch.setattr(updates, "shares_weights", lambda _: False)
    alone = trained(config, digits)
    for a, b in zip(shared, alone, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(("method", "parts"), [("sn", 2), ("bcr", 1)])
def test_several_passes_share_on_a_gpu_alone(method, parts, monkeypatch):
    """Their gradients would be rounded in another order, which a CPU's stored numbers rule out."""
    config = trial_config("digits", "C_8-32", method, 0, micro_batch=12 // parts, **SMALL)
    assert not updates.shares_weights(config)
    monkeypatch.setattr(stacks, "runs_in_stacks", lambda _: True)
    assert updates.shares_weights(config)
