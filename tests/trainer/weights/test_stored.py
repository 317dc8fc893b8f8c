"""Layers from state dicts against the network that they are of, and each library's names."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.trainer.weights.models import build
from trainer.config.lookup import UsageError
from trainer.layers import Conv2d, initialise
from trainer.weights.layer import layers_of
from trainer.weights.stored import common_layers, stored_layers
from trainer.weights.trace import trace

G = torch.Generator().manual_seed(0)
W = torch.randn(8, 6, 3, 3, generator=G)
U, V = torch.randn(8, generator=G), torch.randn(54, generator=G)


@pytest.mark.parametrize(
    "kind", ["plain", "hook", "parametrised", "weight norm", "linear", "own spectral norm"]
)
def test_a_state_dict_tells_what_the_network_applies(kind):
    network, x = build(kind)
    _, traced = trace(network, lambda: network(x))
    truth = layers_of(traced, network)[0]
    (ours,) = stored_layers(network.state_dict())
    assert ours.name == truth.name
    np.testing.assert_allclose(ours.sigma, truth.spectrum(), rtol=1e-5)


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("c.weight_orig", "c.weight_u", "c.weight_v"), "spectral norm"),
        (("c.weight", "c.u", "c.v"), "spectral norm"),
        (("c.weight", "c.u0"), "spectral norm"),
        (("c.weight", "c.sn_u"), "spectral norm"),
        (("dis/c/W", "dis/c/u"), "spectral norm"),
        (("c.weight",), "raw"),
    ],
)
def test_each_librarys_names(names, kind):
    tensors = dict(zip(names, (W, U, V), strict=False))
    (layer,) = stored_layers(tensors)
    assert layer.weight == kind
    truth = torch.linalg.svdvals(W.double().flatten(1))
    if kind == "spectral norm":
        product = U.double() @ W.double().flatten(1)
        truth = truth / (product @ V.double() if len(names) == 3 else product.norm())
    np.testing.assert_allclose(layer.sigma[0], truth, rtol=1e-6)
    assert layer.name in ("c", "dis.c")


def test_weight_norm_by_either_name():
    layer = nn.utils.weight_norm(nn.Linear(6, 8))
    with torch.no_grad():
        layer.weight_g.mul_(3)
    truth = torch.linalg.svdvals(layer.weight_v.double() * 3).detach()
    (ours,) = stored_layers({f"a.{name}": t for name, t in layer.state_dict().items()})
    assert (ours.name, ours.weight) == ("a", "weight norm")
    np.testing.assert_allclose(ours.sigma[0], truth, rtol=1e-6)


def test_groups_and_transposed_convolutions_are_named():
    grouped = torch.randn(8, 3, 3, 3, generator=G)
    (layer,) = stored_layers({"c.weight": grouped}, groups={"c": 2})
    truth = torch.linalg.svdvals(grouped.double().reshape(2, 4, 27))
    np.testing.assert_allclose(layer.sigma, truth, rtol=1e-6)
    (layer,) = stored_layers({"up.weight": W}, transposed=["up*"])
    truth = torch.linalg.svdvals(W.double().transpose(0, 1).flatten(1))
    np.testing.assert_allclose(layer.sigma[0], truth, rtol=1e-6)
    with pytest.raises(UsageError, match="3 groups do not divide"):
        stored_layers({"c.weight": W}, groups={"c": 3})


def test_r3gans_grouped_layer_is_known_by_its_name():
    tensors = {"MainLayers.0.Layers.0.LinearLayer2.Layer.weight": torch.randn(32, 4, 3, 3)}
    (layer,) = stored_layers(tensors)
    assert layer.sigma.shape == (8, 4)


def test_this_trainers_own_layers():
    layer = Conv2d(6, 8, 3)

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.c1 = layer

        def normalised_layers(self):
            return [layer]

    initialise(Network(), torch.Generator().manual_seed(0))
    (ours,) = stored_layers({f"c1.{name}": t for name, t in layer.state_dict().items()})
    assert ours.weight == "spectral norm"
    assert float(ours.sigma[0, 0]) == pytest.approx(1, abs=0.5)


def test_vectors_of_zeros_normalise_nothing():
    (layer,) = stored_layers({"c.weight": W, "c.u": torch.zeros(8), "c.v": torch.zeros(54)})
    assert layer.weight == "raw"
    assert layer.sigma.isfinite().all()


def test_what_has_no_spectrum_is_left_out():
    tensors = {
        "bn.weight": torch.ones(4),
        "gain.weight": torch.ones(1, 4, 1, 1),
        "head.weight": torch.ones(1, 4),
        "a.weight": torch.ones(4, 4),
    }
    assert [layer.name for layer in stored_layers(tensors)] == ["a"]
    with pytest.raises(UsageError, match="no weights among the 1 tensors"):
        stored_layers({"bn.weight": torch.ones(4)})
    with pytest.raises(UsageError, match=r"match d\.\*"):
        stored_layers(tensors, patterns=["d.*"])


def test_a_course_has_the_layers_that_all_files_have():
    first = stored_layers({"a.weight": W, "b.weight": W})
    second = stored_layers({"b.weight": W})
    assert common_layers([first, second]) == ["b"]
