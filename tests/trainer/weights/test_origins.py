"""From a parameter to the weight that is applied, and back, for every kind of layer."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from tests.trainer.weights.models import KINDS, build
from trainer.weights.origins import Opaque, SpectrallyNormalised, WeightNormalised, origin
from trainer.weights.trace import trace


def first_origin(network, x):
    _, found = trace(network, lambda: network(x))
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    return origin(found.uses[0], tensors, network), found.uses[0]


@pytest.mark.parametrize("kind", KINDS)
def test_the_applied_weight_is_computed_as_the_layer_computes_it(kind):
    ours, use = first_origin(*build(kind))
    # Without v in a buffer sigma_1 is known from u alone, half a power iteration ahead.
    tolerance = 0.1 if kind == "own spectral norm" else 1e-4
    torch.testing.assert_close(ours.applied(), use.applied, rtol=tolerance, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_write_is_what_the_next_pass_applies(kind):
    network, x = build(kind)
    ours, use = first_origin(network, x)
    weight = torch.randn(use.applied.shape)
    ours.write(weight)
    _, again = first_origin(network, x)
    if ours.kind == "spectral norm":  # divided by the norm of the flat matrix, exactly
        weight = weight / torch.linalg.matrix_norm(ours.matrix(), 2)
    torch.testing.assert_close(again.applied, weight, rtol=1e-4, atol=1e-5)


def kinds_found(names):
    return {type(first_origin(*build(name))[0]) for name in names}


def test_normalizations_are_told_apart():
    assert kinds_found(["hook", "hook, transposed", "parametrised", "own spectral norm"]) == {
        SpectrallyNormalised
    }
    assert kinds_found(["weight norm", "weight norm of a transposed one"]) == {WeightNormalised}


def test_an_orthogonal_weight_is_read_and_not_written():
    network = nn.Sequential(parametrizations.orthogonal(nn.Linear(6, 6)), nn.Linear(6, 1))
    ours, use = first_origin(network, torch.randn(2, 6))
    assert isinstance(ours, Opaque)
    torch.testing.assert_close(ours.applied(), use.applied)
    assert not hasattr(ours, "write")


def test_a_product_of_two_parameters_is_no_multiple_of_either():
    class LowRank(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Parameter(torch.randn(6, 2)), nn.Parameter(torch.randn(2, 6))

        def forward(self, x):
            return nn.functional.linear(x, self.a @ self.b)

    ours, _ = first_origin(LowRank(), torch.randn(2, 6))
    assert isinstance(ours, Opaque)
    assert "a and b" in ours.reason


def test_a_weight_without_parameters_has_no_origin():
    layer = nn.Linear(4, 4)
    constant = nn.Module()
    constant.register_buffer("kernel", torch.randn(4, 4))
    _, found = trace(constant, lambda: nn.functional.linear(torch.randn(2, 4), constant.kernel))
    assert origin(found.uses[0], {"kernel": constant.kernel}, layer) is None


def test_a_transposed_view_is_written_through():
    class Transposed(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(6, 8))

        def forward(self, x):
            return nn.functional.linear(x, self.weight.t() * 2)

    network = Transposed()
    ours, _ = first_origin(network, torch.randn(2, 6))
    weight = torch.randn(8, 6)
    ours.write(weight)
    torch.testing.assert_close(network.weight.detach(), weight.t() / 2)
