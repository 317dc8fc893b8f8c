"""W_SR as a parametrization: its spectrum, its gradient, and torch's own ways with one."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from tests.trainer.weights.models import Equalised, build
from trainer.spectral import apply_compensation, static_compensation
from trainer.weights.regularization import SpectralRegularization

METHODS = ["sr-static-reparam", "sr-dynamic-reparam"]


def regularized(kind, method="sr-static-reparam"):
    network, x = build(kind)
    sr = SpectralRegularization(network, method)
    network(x)
    sr.step()
    return network, x, sr


@pytest.mark.parametrize("kind", ["plain", "grouped", "transposed", "linear", "equalised", "1d"])
def test_the_weight_of_the_pass_is_compensated_and_the_raw_one_is_not(kind):
    network, x = build(kind)
    before = {name: p.clone() for name, p in network.named_parameters()}
    sr = SpectralRegularization(network, METHODS[0])
    network(x)
    sr.step()
    sigma = sr.spectra()["0"]
    half = sigma.shape[1] // 2
    np.testing.assert_allclose(sigma[:, :half], 1, rtol=1e-5)
    assert torch.equal(network[0].parametrizations.weight.original, before["0.weight"])


def test_its_gradient_is_that_of_eq_11():
    network, x, _ = regularized("linear")
    network(x).square().sum().backward()
    raw = network[0].parametrizations.weight.original
    twin = raw.detach().clone().requires_grad_()
    weight = apply_compensation(twin, static_compensation(twin, 3))
    h = nn.functional.linear(x, weight, network[0].bias)
    head = network[2]
    nn.functional.linear(h, head.weight, head.bias).square().sum().backward()
    torch.testing.assert_close(raw.grad, twin.grad)


@pytest.mark.parametrize("method", METHODS)
def test_constants_follow_the_weight_after_each_step(method):
    network, x, sr = regularized("grouped", method)
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(3):
        optimiser.zero_grad()
        network(x).square().mean().backward()
        optimiser.step()
        sr.step()
    sigma = sr.spectra()["0"]
    np.testing.assert_allclose(sigma[:, 0], 1, rtol=1e-5)
    if method == METHODS[0]:
        np.testing.assert_allclose(sigma[:, :2], 1, rtol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_a_state_dict_and_a_deep_copy_carry_it(method):
    network, x, _ = regularized("plain", method)
    clone = copy.deepcopy(network)
    assert torch.equal(clone(x), network(x))
    other, _, _ = regularized("plain", method)
    with torch.no_grad():
        other[0].parametrizations.weight.original.add_(1)
    other.load_state_dict(network.state_dict())
    assert torch.equal(other(x), network(x))


def test_it_is_taken_off_and_the_parameters_are_those_of_the_optimiser():
    network, _, sr = regularized("plain")
    names = {"0.weight", "0.bias", "3.weight", "3.bias"}
    assert set(network.state_dict()) != names
    parameters = set(network.parameters())
    sr.remove()
    assert set(network.state_dict()) == names
    assert set(network.parameters()) == parameters


def test_what_is_no_parameter_of_its_module_says_so():
    _, _, sr = regularized("hook")
    assert "a parameter of one module" in sr.layers[0].reason
    assert list(sr.reparametrisations) == ["3"]


@pytest.mark.parametrize("method", METHODS)
def test_a_zero_weight_stays_zero(method):
    network = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 1))
    nn.init.zeros_(network[0].weight)
    sr = SpectralRegularization(network, method)
    network(torch.randn(2, 4))
    sr.step()
    assert not network[0].weight.any()


def test_an_equalised_weight_is_compensated_as_it_is_applied():
    network = nn.Sequential(Equalised(8, 6, scale=7.0), nn.Linear(8, 1))
    sr = SpectralRegularization(network, METHODS[0])
    network(torch.randn(2, 6))
    sr.step()
    with torch.no_grad():
        used = network[0].weight * 7.0 * 0.1
    assert float(torch.linalg.matrix_norm(used, 2)) == pytest.approx(1, rel=1e-5)
