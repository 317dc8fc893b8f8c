"""What one forward pass tells of the weights that it used."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.trainer.weights.models import KINDS, Mixed, OwnSpectralNorm, build
from trainer.weights.trace import trace


def uses_of(network, x):
    return trace(network, lambda: network(x))[1].uses


@pytest.mark.parametrize("kind", KINDS)
def test_every_weight_is_the_one_that_the_product_received(kind):
    network, x = build(kind)
    torch.manual_seed(1)
    received = []
    functions = {
        name: getattr(F, name)
        for name in (
            "linear", "conv1d", "conv2d", "conv3d", "conv_transpose2d",
        )
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for name, function in functions.items():

            def record(*args, function=function, name=name, **kwargs):
                received.append(args[1].detach().clone())
                return function(*args, **kwargs)

            patch.setattr(F, name, record)
        uses = [use for use in uses_of(network, x) if use.kind != "embedding"]
    assert len(uses) == len(received)
    for use, weight in zip(uses, received, strict=True):
        assert torch.equal(use.applied, weight)
        assert use.has_gradient


def test_the_products_of_a_spectral_norm_are_none_of_the_layer():
    layer = OwnSpectralNorm(6, 8)
    (use,) = uses_of(layer, torch.randn(4, 6))
    assert use.kind == "linear"
    assert use.sources == {"weight", "u0"}


def test_products_by_operator_and_einsum_are_seen():
    class Operators(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Parameter(torch.randn(6, 8)), nn.Parameter(torch.randn(3, 8))

        def forward(self, x):
            return torch.einsum("bi,oi->bo", x @ self.a, self.b)

    kinds = [(use.kind, use.sources) for use in uses_of(Operators(), torch.randn(4, 6))]
    assert kinds == [("matmul", {"a"}), ("einsum", {"b"})]


def test_a_product_of_two_inputs_is_no_weights():
    network = nn.Identity()
    x = torch.randn(4, 4)
    assert trace(network, lambda: network(x) @ x)[1].uses == []


def test_a_kernel_made_per_sample_is_named():
    network = Mixed()
    _, found = trace(network, lambda: network(torch.randn(2, 6, 5, 5)))
    assert found.uses == []
    assert found.mixed == {"weights"}


def test_heads_are_the_last_products_before_each_output():
    first, left, right = nn.Linear(4, 4), nn.Linear(4, 1), nn.Linear(4, 1)
    network = nn.ModuleList([first, left, right])
    x = torch.randn(2, 4)

    def call():
        h = first(x).relu()
        return left(h) * 2, left(h) + right(h), h

    _, found = trace(network, call)
    sources = [{next(iter(found.uses[k].sources)) for k in head} for head in found.heads]
    assert sources == [
        {"1.weight"},
        {"1.weight", "2.weight"},
        {"0.weight"},
    ]


def test_operations_are_two_per_multiplication():
    (use,) = uses_of(nn.Conv2d(3, 8, 3, bias=False), torch.randn(2, 3, 6, 6))
    assert use.operations == 2 * (2 * 8 * 4 * 4) * 27


def test_a_weight_that_is_detached_has_no_gradient():
    layer = nn.Linear(4, 4)
    _, found = trace(layer, lambda: F.linear(torch.randn(2, 4), layer.weight.detach()))
    assert [use.has_gradient for use in found.uses] == [False]
