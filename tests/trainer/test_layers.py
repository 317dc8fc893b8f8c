"""Normalised layers against torch's own parametrisations and float64 SVD, and their first weights.

In float64, so that what differs is the method and not the rounding.
"""

import math

import pytest
import torch
import torch.nn.functional as F
from torch.nn.utils import parametrizations

from trainer.layers import (
    NORMALISATIONS,
    Conv2d,
    Embedding,
    Linear,
    advance,
    effective_weight,
)
from trainer.layers import initialise as initialise_network
from trainer.models import Discriminator, Generator
from trainer.spectral import as_matrix, static_compensation

CONV, LINEAR, EMBEDDING = "convolution", "linear", "embedding"
KINDS = (CONV, LINEAR, EMBEDDING)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def layer_of(kind, normalisation):
    """A layer in float64 with random weights, bias, gains and unit u, v."""
    layer = {
        CONV: lambda: Conv2d(4, 6, 3, normalisation=normalisation),
        LINEAR: lambda: Linear(7, 5, normalisation=normalisation),
        EMBEDDING: lambda: Embedding(9, 5, normalisation=normalisation),
    }[kind]().double()
    rng = seeded()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(generator=rng)
        layer.u.normal_(generator=rng)
    advance([layer])
    return layer


def torchs_layer(kind, ours):
    theirs = {
        CONV: lambda: torch.nn.Conv2d(4, 6, 3, padding=1),
        LINEAR: lambda: torch.nn.Linear(7, 5),
        EMBEDDING: lambda: torch.nn.Embedding(9, 5),
    }[kind]().double()
    bias = {} if kind == EMBEDDING else {"bias": ours.bias}
    theirs.load_state_dict({"weight": ours.weight, **bias})
    return theirs


def input_of(kind):
    if kind == EMBEDDING:
        return torch.tensor([0, 3, 3, 8])
    shape = (2, 4, 5, 5) if kind == CONV else (3, 7)
    return torch.randn(shape, generator=seeded(1), dtype=torch.float64)


def weighted_sum(out):
    """A scalar in which every output counts differently."""
    return (out * torch.linspace(-1, 2, out.numel()).double().view_as(out)).sum()


def assert_same(a, b):
    torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


class OneLayer(torch.nn.Module):
    """What `initialise` takes for a network."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def normalised_layers(self):
        return [self.layer]


@pytest.mark.parametrize("kind", KINDS)
def test_sn_is_torchs_spectral_norm(kind):
    """The same u after each iteration; of the same u and v, output and gradients.

    Torch ends an iteration half a step later than we do, with v = W^T u normalised.
    """
    ours = layer_of(kind, "sn")
    theirs = parametrizations.spectral_norm(torchs_layer(kind, ours), n_power_iterations=1)
    norm = theirs.parametrizations.weight[0]
    ours.u.copy_(norm._u)
    x = input_of(kind)
    for _ in range(3):
        advance([ours])
        b = theirs(x)
        assert_same(ours.u, norm._u)
        ours.v.copy_(norm._v)
        a = ours(x)
        assert_same(a, b)
        original = theirs.parametrizations.weight.original
        (ours_gradient,) = torch.autograd.grad(weighted_sum(a), ours.weight)
        (theirs_gradient,) = torch.autograd.grad(weighted_sum(b), original)
        assert_same(ours_gradient, theirs_gradient)


@pytest.mark.parametrize("kind", KINDS)
def test_sn_converges_to_division_by_sigma_1(kind):
    layer = layer_of(kind, "sn")
    for _ in range(2000):
        advance([layer])
    matrix = as_matrix(layer.weight)
    u, sigma, vh = torch.linalg.svd(matrix, full_matrices=False)
    assert_same(as_matrix(effective_weight(layer)), matrix / sigma[0])
    assert_same(torch.outer(layer.u, layer.v), torch.outer(u[:, 0], vh[0]))
    # Eq. (4) differentiated: (G - <G, W_SN> u_1 v_1^T) / sigma_1.
    gradient = torch.randn(matrix.shape, generator=seeded(2), dtype=torch.float64)
    (ours,) = torch.autograd.grad(
        effective_weight(layer), layer.weight, gradient.view_as(layer.weight)
    )
    inner = (gradient * matrix).sum() / sigma[0]
    truth = (gradient - inner * torch.outer(u[:, 0], vh[0])) / sigma[0]
    assert_same(as_matrix(ours), truth.detach())


@pytest.mark.parametrize("kind", KINDS)
def test_wn_is_torchs_weight_norm(kind):
    ours = layer_of(kind, "wn")
    theirs = parametrizations.weight_norm(torchs_layer(kind, ours), dim=0)
    g, v = theirs.parametrizations.weight.original0, theirs.parametrizations.weight.original1
    with torch.no_grad():
        g.copy_(ours.gain.view_as(g))
    x = input_of(kind)
    a, b = ours(x), theirs(x)
    assert_same(a, b)
    ours_gradients = torch.autograd.grad(weighted_sum(a), [ours.gain, ours.weight])
    theirs_gradients = torch.autograd.grad(weighted_sum(b), [g, v])
    assert_same(ours_gradients[0], theirs_gradients[0].flatten())
    assert_same(ours_gradients[1], theirs_gradients[1])


@pytest.mark.parametrize("kind", KINDS)
def test_without_normalisation_it_is_torchs_layer(kind):
    ours = layer_of(kind, "none")
    x = input_of(kind)
    assert effective_weight(ours) is ours.weight
    assert torch.equal(ours(x), torchs_layer(kind, ours)(x))


@pytest.mark.parametrize("kernel_size", [1, 3])
def test_convolution_keeps_the_size_of_its_input(kernel_size):
    layer = Conv2d(2, 5, kernel_size, bias=False, normalisation="none")
    assert layer(torch.randn(3, 2, 6, 7)).shape == (3, 5, 6, 7)
    assert layer.bias is None


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_only_weight_normalization_adds_a_parameter(normalisation):
    layer = Conv2d(2, 5, 3, normalisation=normalisation)
    gains = {"gain"} if normalisation == "wn" else set()
    assert {name for name, _ in layer.named_parameters()} == {"weight", "bias"} | gains
    assert {name for name, _ in layer.named_buffers()} == {"u", "v"}
    assert (len(layer.u), len(layer.v)) == (5, 18)


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_u_and_v_move_in_advance_alone_and_by_one_iteration(mode):
    layer = layer_of(CONV, "sn")
    getattr(layer, mode)()
    u, v = layer.u.clone(), layer.v.clone()
    for _ in range(3):
        weighted_sum(layer(input_of(CONV))).backward()
    assert torch.equal(layer.u, u)
    assert torch.equal(layer.v, v)
    advance([layer])
    matrix = as_matrix(layer.weight.detach())
    new_v = F.normalize(matrix.mT @ u, dim=0)
    assert_same(layer.v, new_v)
    assert_same(layer.u, F.normalize(matrix @ new_v, dim=0))
    assert not torch.equal(layer.u, u)
    assert layer.weight.grad is not None
    assert not layer.u.requires_grad


@pytest.mark.parametrize("how", [*NORMALISATIONS, "compensated"])
def test_effective_weight_is_float32_whatever_autocast_is_on(how):
    layer = layer_of(CONV, "sn" if how == "compensated" else how).float()
    if how == "compensated":
        layer.compensation = static_compensation(layer.weight, 3)
    x = input_of(CONV).float()
    outside = effective_weight(layer)
    (gradient,) = torch.autograd.grad(weighted_sum(outside), layer.weight)
    with torch.autocast("cpu", torch.bfloat16):
        inside = effective_weight(layer)
        assert layer(x).dtype == torch.bfloat16, "autocast is on"
        loss = weighted_sum(inside)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, outside)
    (gradient_inside,) = torch.autograd.grad(loss, layer.weight)
    assert gradient_inside.dtype == torch.float32
    assert torch.equal(gradient_inside, gradient)


def test_a_gradient_through_autocast_arrives_in_float32():
    layer = layer_of(CONV, "sn").float()
    with torch.autocast("cpu", torch.bfloat16):
        loss = layer(input_of(CONV).float()).float().sum()
    loss.backward()
    assert layer.weight.grad.dtype == torch.float32
    assert layer.weight.grad.any()


def glorot_bound(shape, gain):
    """Uniform on +- gain sqrt(6 / (fan in + fan out)); for a convolution times its kernel."""
    kernel = math.prod(shape[2:])
    return gain * math.sqrt(6 / ((shape[0] + shape[1]) * kernel))


def test_first_weights_are_glorots_with_the_released_gains():
    g = Generator(32, 48, 128, classes=10)
    d = Discriminator(32, 48, classes=200)
    for network in (g, d):
        initialise_network(network, seeded())
        for name, layer in network.named_modules():
            if not isinstance(layer, Conv2d | Linear | Embedding):
                continue
            gain = math.sqrt(2) if name.split(".")[-1] in ("c1", "c2") else 1
            bound = glorot_bound(layer.weight.shape, gain)
            largest = layer.weight.abs().max().item()
            # Of n uniform numbers the largest is about bound * (1 - 1 / n).
            least = 1 - 10 / layer.weight.numel()
            assert least * bound <= largest <= bound * (1 + 1e-6), name
            assert layer.weight.mean().abs() <= 5 * bound / math.sqrt(3 * layer.weight.numel())
            if getattr(layer, "bias", None) is not None:
                assert not layer.bias.any(), name


def test_first_u_is_one_iteration_from_a_standard_normal():
    layer = Linear(30, 20)
    initialise_network(OneLayer(layer), seeded())
    rng = seeded()
    assert torch.equal(
        layer.weight, torch.nn.init.xavier_uniform_(torch.empty(20, 30), generator=rng)
    )
    v = F.normalize(layer.weight.mT @ torch.randn(20, generator=rng), dim=0)
    torch.testing.assert_close(layer.v, v)
    torch.testing.assert_close(layer.u, F.normalize(layer.weight @ v, dim=0))
    assert layer.u.norm().item() == pytest.approx(1, rel=1e-6)


def started(normalisation):
    d = Discriminator(8, 6, classes=3, normalisation=normalisation)
    initialise_network(d, seeded(5))
    return d


def test_every_normalisation_starts_from_the_same_weights_and_vectors():
    first, *others = (started(normalisation).state_dict() for normalisation in NORMALISATIONS)
    for other in others:
        for name, value in first.items():
            assert torch.equal(value, other[name]), name


def test_weight_normalization_starts_as_the_function_without_it():
    x = torch.randn(4, 3, 8, 8, generator=seeded(6))
    labels = torch.tensor([0, 1, 2, 1])
    plain, normalised = (started(name)(x, labels) for name in ("none", "wn"))
    torch.testing.assert_close(plain, normalised)
    assert not torch.allclose(plain, started("sn")(x, labels))


def test_another_seed_is_another_start():
    a, b = Discriminator(8, 4), Discriminator(8, 4)
    initialise_network(a, seeded(0))
    initialise_network(b, seeded(1))
    assert not torch.equal(a.last.weight, b.last.weight)
