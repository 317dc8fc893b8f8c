"""Spectra and compensation against numpy's float64 SVD, then invariants, then degenerate input."""

import math

import numpy as np
import pytest
import torch
from torch.nn.utils import parametrizations

from trainer.models import SNConv2d, advance
from trainer.spectral import (
    as_matrix,
    compensate,
    effective_rank,
    lifted_count,
    power_iteration,
    spectral_norm,
    spectrum,
    stable_rank,
)

SHAPES = {"wide": (64, 64, 3, 3), "tall": (64, 3, 3, 3), "shortcut": (64, 3, 1, 1)}


def with_spectrum(shape, sigma, seed=0):
    """A float32 weight of the shape whose matrix has the singular values sigma[r]."""
    rng = np.random.default_rng(seed)
    out, r = shape[0], len(sigma)
    u, _ = np.linalg.qr(rng.standard_normal((out, r)))
    v, _ = np.linalg.qr(rng.standard_normal((math.prod(shape[1:]), r)))
    return torch.tensor((u * sigma) @ v.T, dtype=torch.float32).reshape(shape)


def rank(shape):
    return min(shape[0], math.prod(shape[1:]))


SPECTRA = {
    "healthy": lambda r: np.linspace(1, 0.5, r),
    "power law": lambda r: 1 / np.arange(1, r + 1),
    "collapsed": lambda r: np.concatenate([[1], np.geomspace(2e-2, 1e-2, r - 1)]),
    "deeply collapsed": lambda r: np.concatenate([[1], np.geomspace(2e-3, 6e-4, r - 1)]),
    "tied": lambda r: np.concatenate([np.ones(r - r // 2), np.full(r // 2, 0.3)]),
    "raw scale": lambda r: 7.5 * np.linspace(1, 0.1, r),
}


def reference(weight, i, renormalise):
    """Eqs. (9), (10) by float64 SVD."""
    matrix = as_matrix(weight).double().numpy()
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    lifted = s.copy()
    lifted[:i] = s[0]
    return (u * (lifted / (s[0] if renormalise else 1))) @ vt


@pytest.mark.parametrize("renormalise", [True, False])
@pytest.mark.parametrize("i_ratio", [0.01, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("spectrum_name", SPECTRA)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_compensation_is_that_of_a_float64_svd(shape, spectrum_name, i_ratio, renormalise):
    weight = with_spectrum(shape, SPECTRA[spectrum_name](rank(shape)))
    i = lifted_count(i_ratio, weight)
    ours = as_matrix(compensate(weight, i, renormalise=renormalise)).double().numpy()
    truth = reference(weight, i, renormalise)
    if spectrum_name == "tied" and i_ratio != 0.5:
        # Within a tie any i vectors serve: the singular values are what is determined.
        ours, truth = (np.linalg.svd(x, compute_uv=False) for x in (ours, truth))
    assert np.linalg.norm(ours - truth) <= 1e-5 * np.linalg.norm(truth)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("spectrum_name", SPECTRA)
def test_spectrum_is_that_of_a_float64_svd(shape, spectrum_name):
    weight = with_spectrum(shape, SPECTRA[spectrum_name](rank(shape)))
    truth = np.linalg.svd(as_matrix(weight).double().numpy(), compute_uv=False)
    np.testing.assert_allclose(spectrum(weight).numpy(), truth, rtol=1e-5)


def test_a_missing_direction_is_completed_and_lifted():
    weight = with_spectrum((32, 32, 3, 3), np.concatenate([np.ones(3), np.zeros(29)]))
    lifted = spectrum(compensate(weight, 16, renormalise=True))
    torch.testing.assert_close(lifted[:16], torch.ones(16, dtype=torch.float64), atol=1e-6, rtol=0)
    assert lifted[16:].max() < 1e-6


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e15])
def test_compensation_does_not_depend_on_the_scale(scale):
    weight = with_spectrum((16, 16, 3, 3), np.linspace(1, 0.1, 16))
    once = compensate(weight, 8, renormalise=True)
    torch.testing.assert_close(compensate(weight * scale, 8, renormalise=True), once)


@pytest.mark.parametrize("renormalise", [True, False])
def test_projecting_twice_changes_nothing(renormalise):
    weight = with_spectrum((64, 64, 3, 3), SPECTRA["power law"](64))
    once = compensate(weight, 32, renormalise=renormalise)
    torch.testing.assert_close(compensate(once, 32, renormalise=renormalise), once)


def test_lifting_more_raises_more_and_never_lowers():
    weight = with_spectrum((32, 32, 3, 3), SPECTRA["power law"](32))
    previous = spectrum(weight)
    for i in (1, 2, 8, 16, 32):
        sigma = spectrum(compensate(weight, i, renormalise=False))
        assert (sigma >= previous - 1e-6).all()
        previous = sigma


def test_i_of_one_lifts_nothing():
    weight = with_spectrum((16, 16, 3, 3), SPECTRA["power law"](16))
    torch.testing.assert_close(compensate(weight, 1, renormalise=False), weight)
    renormalised = compensate(weight, 1, renormalise=True)
    torch.testing.assert_close(renormalised, weight / spectrum(weight)[0].float())


def test_zero_weights_are_left_alone():
    weight = torch.zeros(8, 8, 3, 3)
    assert compensate(weight, 4, renormalise=True) is weight
    assert spectrum(weight).tolist() == [0.0] * 8


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_non_finite_weights_stay_visible(bad):
    weight = torch.ones(8, 8, 3, 3)
    weight[0, 0, 0, 0] = bad
    assert compensate(weight, 4, renormalise=True) is weight
    assert spectrum(weight).isnan().all()


def test_how_many_values_are_lifted():
    # r = 27 in layer_0 and 3 in the first shortcut; the released code has r // 2.
    assert lifted_count(0.5, torch.empty(64, 3, 3, 3)) == 13
    assert lifted_count(0.5, torch.empty(64, 3, 1, 1)) == 1
    assert lifted_count(0.01, torch.empty(64, 64, 3, 3)) == 1
    assert lifted_count(1.0, torch.empty(64, 64, 3, 3)) == 64


def test_ranks_of_known_spectra():
    flat, single = torch.ones(10).double(), torch.tensor([1.0, 0, 0, 0]).double()
    for rank_of in (stable_rank, effective_rank):
        assert rank_of(flat) == pytest.approx(10)
        assert rank_of(single) == pytest.approx(1)


def test_spectral_norm_converges_to_sigma_1():
    torch.manual_seed(0)
    weight = torch.randn(32, 16, 3, 3)
    u = torch.randn(32)
    for _ in range(200):
        u, v = power_iteration(weight, u)
    sigma = spectral_norm(weight, u, v)
    assert float(sigma) == pytest.approx(float(spectrum(weight)[0]), rel=1e-4)


def test_layer_agrees_with_torchs_spectral_norm():
    """The same u after each iteration; of the same u and v, output and gradient, in float64.

    Torch ends an iteration half a step later than we do, with v = W^T u normalised.
    """
    torch.manual_seed(0)
    ours = SNConv2d(4, 6, 3).double()
    theirs = torch.nn.Conv2d(4, 6, 3, padding=1).double()
    theirs.load_state_dict({"weight": ours.weight, "bias": ours.bias})
    theirs = parametrizations.spectral_norm(theirs, n_power_iterations=1)
    norm = theirs.parametrizations.weight[0]
    ours.u.copy_(norm._u)
    x = torch.randn(2, 4, 5, 5).double()
    for _ in range(3):
        advance([ours])
        b = theirs(x)
        torch.testing.assert_close(ours.u, norm._u)
        ours.v.copy_(norm._v)
        a = ours(x)
        torch.testing.assert_close(a, b)
        (ours_grad,) = torch.autograd.grad(a.square().sum(), ours.weight)
        original = theirs.parametrizations.weight.original
        (theirs_grad,) = torch.autograd.grad(b.square().sum(), original)
        torch.testing.assert_close(ours_grad, theirs_grad)
