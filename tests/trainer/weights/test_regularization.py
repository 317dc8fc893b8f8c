"""A projection is what the next pass of the loop applies, whatever the layer is made of."""

import copy
import logging
import math

import numpy as np
import pytest
import torch
from torch import nn

from tests.trainer.weights.models import KINDS, Labelled, Mixed, Nested, build
from trainer.config.lookup import UsageError
from trainer.config.methods import METHODS
from trainer.weights.monitor import Monitor
from trainer.weights.regularization import SpectralRegularization
from trainer.weights.trace import trace


def applied(network, x):
    """sigma / sigma_1 [blocks, r] that a training pass applies, by float64 SVD, with sigma_1."""
    _, found = trace(network, lambda: network(x))
    return [
        np.linalg.svd(use.layout.matrices(use.applied).double().numpy(), compute_uv=False)
        for use in found.uses
    ]


def train(network, x, sr, steps=1):
    optimiser = torch.optim.Adam(network.parameters(), 1e-3, betas=(0.0, 0.9))
    for _ in range(steps):
        optimiser.zero_grad()
        network(x).square().mean().backward()
        optimiser.step()
        sr.step()


@pytest.mark.parametrize("kind", KINDS)
def test_half_of_every_spectrum_is_flat_and_stays_so_for_one_more_step(kind):
    network, x = build(kind)
    sr = SpectralRegularization(network, period=1)
    train(network, x, sr, steps=2)
    sigma = applied(network, x)[0]
    half = max(1, sigma.shape[1] // 2)
    np.testing.assert_allclose(sigma[:, :half] / sigma[:, :1], 1, rtol=1e-4)
    if "grouped" not in kind or not kind.startswith("hook"):
        np.testing.assert_allclose(sigma[:, 0], 1, rtol=1e-4)
    assert [layer.reason for layer in sr.layers if layer.kind != "embedding"] == [None] * sum(
        layer.kind != "embedding" for layer in sr.layers
    )


def test_a_write_to_the_weight_is_lost_on_the_old_hook():
    network, x = build("hook")
    with torch.no_grad():
        network[0].weight.data.zero_()
    assert applied(network, x)[0].max() > 0.5


@pytest.mark.parametrize("method", [n for n, m in METHODS.items() if m.form == "project"])
def test_every_method_that_projects_runs(method):
    network, x = build("hook")
    sr = SpectralRegularization(network, method, period=1)
    train(network, x, sr, steps=3)
    assert all(np.isfinite(sigma).all() for sigma in applied(network, x))


def test_it_projects_after_the_first_and_every_fifth_step():
    network, x = build("plain")
    sr = SpectralRegularization(network)
    network(x)
    assert [sr.step() for _ in range(7)] == [True, False, False, False, False, True, False]


def test_a_projection_leaves_buffers_and_random_numbers_alone():
    network, x = build("plain")
    network.insert(1, nn.BatchNorm2d(8))
    network.append(nn.Dropout())
    sr = SpectralRegularization(network)
    network(x)
    buffers = {name: value.clone() for name, value in network.named_buffers()}
    state = torch.get_rng_state()
    sr.step()
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, buffers[name]) for name, value in network.named_buffers())


def spread(network, x):
    with torch.no_grad():
        return float(network(x).std())


@pytest.mark.parametrize("kind", ["plain", "equalised", "weight norm", "hook", "labelled"])
def test_the_change_of_the_logits_is_said_as_it_is(kind, caplog):
    network, x = build(kind)
    sr = SpectralRegularization(network)
    network(x)
    twin = copy.deepcopy(network) if kind != "hook" else None
    with caplog.at_level(logging.INFO, "trainer.watch"):
        sr.step()
    if twin is not None:
        assert sr.logits_factor == pytest.approx(spread(network, x) / spread(twin, x), rel=1e-4)
    assert "multiplied the spread of the logits by" in caplog.text


@pytest.mark.parametrize("kind", ["plain", "equalised", "weight norm", "hook"])
def test_the_scale_is_kept_by_the_last_layer(kind):
    network, x = build(kind)
    network(x)
    before = spread(network, x)
    sr = SpectralRegularization(network, keep_scale=True, period=1)
    network(x)
    sr.step()
    assert sr.logits_factor == pytest.approx(1, abs=1e-3)
    # Every pass moves the hook's estimate of sigma_1 before the first projection.
    tolerance = 0.1 if kind == "hook" else 1e-3
    assert spread(network, x) == pytest.approx(before, rel=tolerance)
    sr.step()
    assert spread(network, x) == pytest.approx(before, rel=tolerance)
    sigma = applied(network, x)[0]
    np.testing.assert_allclose(sigma[:, : sigma.shape[1] // 2], 1, rtol=1e-4)


def test_a_scale_that_is_divided_out_cannot_be_kept_and_that_is_said(caplog):
    network = nn.Sequential(nn.Linear(6, 8), nn.utils.spectral_norm(nn.Linear(8, 1)))
    sr = SpectralRegularization(network, keep_scale=True)
    network(torch.randn(4, 6))
    sr.step()
    assert "the scale of 1 cannot be set" in caplog.text


def test_logits_are_picked_from_any_output():
    network, x = Nested(), torch.randn(8, 6)
    sr = SpectralRegularization(network, keep_scale=True, logits=lambda out: out["logits"])
    network(x)
    sr.step()
    assert sr.logits_factor == pytest.approx(1)
    assert {layer.name: layer.gain == 1 for layer in sr.layers} == {"first": True, "head": False}


def test_a_write_that_the_pass_undoes_is_taken_back_and_said(caplog):
    class Stubborn(nn.Linear):
        def __init__(self):
            super().__init__(6, 6)
            self.first = self.weight.detach().clone()

        def forward(self, x):
            self.weight.data.copy_(self.first)
            return super().forward(x)

    network = Stubborn()
    sr = SpectralRegularization(network)
    network(torch.randn(4, 6))
    sr.step()
    assert "does not reach the forward pass" in caplog.text
    assert sr.layers[0].reason is not None
    assert torch.equal(network.weight, network.first)


def test_frozen_layers_are_left_as_they_are_while_they_are_frozen():
    network, x = build("plain")
    network[0].weight.requires_grad_(False)
    before = network[0].weight.clone()
    sr = SpectralRegularization(network, period=1)
    network(x)
    sr.step()
    assert torch.equal(network[0].weight, before)
    network[0].weight.requires_grad_(True)
    sr.step()
    np.testing.assert_allclose(applied(network, x)[0][0, :4], 1, rtol=1e-5)


def test_a_kernel_per_sample_is_left_as_it_is():
    network = nn.Sequential(nn.Conv2d(6, 6, 1), Mixed(), nn.Flatten(), nn.LazyLinear(1))
    x = torch.randn(2, 6, 5, 5)
    network(x)
    before = network[1].weights.clone()
    sr = SpectralRegularization(network)
    network(x)
    sr.step()
    assert torch.equal(network[1].weights, before)
    assert "mixed with the input" in sr.report()


def test_layers_are_chosen_by_name():
    network, x = build("plain")
    sr = SpectralRegularization(network, layers=["0"])
    network(x)
    assert [layer.name for layer in sr.lifted_layers()] == ["0"]
    with pytest.raises(UsageError, match="no layer is named 'conv'"):
        SpectralRegularization(network, layers=["conv"]).trace(lambda: network(x))


def test_a_resumed_run_goes_on_as_if_it_had_not_been_interrupted():
    def run(steps, network, x, sr):
        for _ in range(steps):
            network(x).square().mean().backward()
            with torch.no_grad():
                for parameter in network.parameters():
                    parameter.sub_(0.01 * parameter.grad)
                    parameter.grad = None
            sr.step()

    network, x = build("plain")
    sr = SpectralRegularization(network, "sr-dynamic", period=2, every=1)
    run(8, network, x, sr)
    half, _ = build("plain")
    first = SpectralRegularization(half, "sr-dynamic", period=2, every=1)
    run(3, half, x, first)
    second = SpectralRegularization(half, "sr-dynamic", period=2, every=1)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    run(5, half, x, second)
    for name, value in network.state_dict().items():
        assert torch.equal(value, half.state_dict()[name])
    assert second.history == sr.history or math.isnan(sr.history[0]["sigma2_ratio"][-1])
    assert second.steps == sr.steps


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("sr-statik", {}, "did you mean: sr-static"),
        ("wgan-gp", {}, "sets no singular values"),
        ("sr-dynamic", {"i_ratio": 0.5}, "takes no i_ratio"),
        ("sr-static", {"i_ratio": 1.5}, "i_ratio is 1.5"),
        ("sr-static", {"floor": 0.5}, "has no floor"),
        ("sr-floor", {"floor": 0.0}, "floor is 0.0"),
        ("sr-static", {"period": 0}, "period is 0"),
        ("sr-lift", {"keep_scale": True}, "divides nothing"),
        ("sr-static-reparam", {"keep_scale": True}, "methods that project"),
    ],
)
def test_bad_options_are_refused_before_any_work(method, options, message):
    network = nn.Linear(2, 2)
    with pytest.raises(UsageError, match=message):
        SpectralRegularization(network, method, **options)
    assert not network._forward_hooks


def test_a_step_without_a_forward_pass_says_so():
    with pytest.raises(UsageError, match="call it once"):
        SpectralRegularization(nn.Linear(2, 2)).step()


def test_a_regularized_network_is_watched_too():
    network, x = build("plain")
    sr = SpectralRegularization(network, every=1, period=1)
    assert isinstance(sr, Monitor)
    train(network, x, sr, steps=5)
    assert sr.verdict().state == "not seen"


def test_labels_reach_an_embedding_that_is_asked_for():
    network, x = Labelled(), torch.randn(4, 6)
    sr = SpectralRegularization(network, embeddings=True)
    network(x)
    sr.step()
    np.testing.assert_allclose(sr.spectra()["embedding"][0, :2], 1, rtol=1e-5)
