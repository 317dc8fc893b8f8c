"""Spectra, compensation and Eq. (11) against numpy's float64 SVD; invariants; degenerate input."""

import math

import numpy as np
import pytest
import torch

from trainer.spectral import (
    SUMMARIES,
    Compensation,
    apply_compensation,
    as_matrix,
    compensate,
    compensate_dynamic,
    dynamic_compensation,
    effective_rank,
    lifted_count,
    power_iteration,
    restore,
    spectral_norm,
    spectrum,
    stable_rank,
    static_compensation,
    summary,
)

SHAPES = {"wide": (64, 64, 3, 3), "tall": (64, 3, 3, 3), "shortcut": (64, 3, 1, 1)}
# How many singular values of a rank-deficient weight are not zero.
NOT_ZERO = 5


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


def test_spectrum_of_zero_weights_is_zero():
    assert spectrum(torch.zeros(8, 8, 3, 3)).tolist() == [0.0] * 8


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


# Dynamic compensation.


def dynamic_reference(weight, gamma, renormalise):
    """Eq. (9), dynamic, by float64 SVD: every sigma_k at gamma_k sigma_1."""
    u, s, vt = np.linalg.svd(as_matrix(weight).double().numpy(), full_matrices=False)
    gamma = np.maximum(gamma, s / s[0])
    return (u * (gamma * (1 if renormalise else s[0]))) @ vt, gamma


@pytest.mark.parametrize("renormalise", [True, False])
@pytest.mark.parametrize("after", SPECTRA)
@pytest.mark.parametrize("before", ["healthy", "collapsed"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_dynamic_compensation_is_that_of_a_float64_svd(shape, before, after, renormalise):
    r = rank(shape)
    _, gamma = compensate_dynamic(
        with_spectrum(shape, SPECTRA[before](r)), None, renormalise=renormalise
    )
    weight = with_spectrum(shape, SPECTRA[after](r), seed=1)
    ours, new_gamma = compensate_dynamic(weight, gamma, renormalise=renormalise)
    truth, gamma_truth = dynamic_reference(weight, gamma.numpy(), renormalise)
    np.testing.assert_allclose(new_gamma.numpy(), gamma_truth, rtol=1e-5)
    ours = as_matrix(ours).double().numpy()
    if after == "tied":
        # Within a tie any singular vectors serve, and theirs may get different gammas.
        ours, truth = (np.linalg.svd(x, compute_uv=False) for x in (ours, truth))
    assert np.linalg.norm(ours - truth) <= 1e-5 * np.linalg.norm(truth)


def test_the_first_dynamic_call_only_records():
    weight = with_spectrum((16, 16, 3, 3), SPECTRA["power law"](16))
    same, gamma = compensate_dynamic(weight, None, renormalise=True)
    assert same is weight
    np.testing.assert_allclose(gamma, 1 / np.arange(1, 17), rtol=1e-5)
    assert gamma.dtype == torch.float64


def test_gamma_is_the_running_maximum_of_the_ratios():
    r, gamma = 12, None
    ratios = []
    rng = np.random.default_rng(0)
    for seed in range(6):
        sigma = np.sort(rng.uniform(0.01, 3, r))[::-1]
        ratios.append(sigma / sigma[0])
        _, new = compensate_dynamic(
            with_spectrum((r, r, 3, 3), sigma, seed), gamma, renormalise=False
        )
        assert gamma is None or (new >= gamma).all()
        gamma = new
        np.testing.assert_allclose(gamma, np.max(ratios, axis=0), rtol=1e-5)


@pytest.mark.parametrize(("renormalise", "kept"), [(False, 7.5), (True, 1.0)])
def test_sigma_1_is_kept_unless_renormalised(renormalise, kept):
    weight = with_spectrum((16, 16, 3, 3), SPECTRA["raw scale"](16))
    gamma = torch.linspace(1, 0.6, 16).double()
    raised, _ = compensate_dynamic(weight, gamma, renormalise=renormalise)
    torch.testing.assert_close(spectrum(raised), kept * gamma, rtol=1e-5, atol=0)
    assert float(spectrum(compensate(weight, 8, renormalise=renormalise))[0]) == pytest.approx(
        kept, rel=1e-5
    )


@pytest.mark.parametrize("renormalise", [True, False])
def test_projecting_twice_with_the_same_gamma_changes_nothing(renormalise):
    weight = with_spectrum((32, 32, 3, 3), SPECTRA["collapsed"](32))
    gamma = torch.linspace(1, 0.5, 32).double()
    once, gamma = compensate_dynamic(weight, gamma, renormalise=renormalise)
    twice, again = compensate_dynamic(once, gamma, renormalise=renormalise)
    torch.testing.assert_close(twice, once)
    torch.testing.assert_close(again, gamma, rtol=1e-5, atol=0)


@pytest.mark.parametrize("shape", [(24, 12, 3, 3), (40, 4, 3, 3)], ids=["wide", "tall"])
def test_dynamic_compensation_completes_missing_directions(shape):
    r = rank(shape)
    sigma = np.concatenate([np.linspace(1, 0.8, NOT_ZERO), np.zeros(r - NOT_ZERO)])
    gamma = torch.linspace(1, 0.5, r).double()
    raised, _ = compensate_dynamic(with_spectrum(shape, sigma), gamma, renormalise=True)
    expected = np.maximum(gamma.numpy(), sigma)
    np.testing.assert_allclose(spectrum(raised).numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("name", [name for name in SPECTRA if name != "tied"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_first_spectrum_is_put_back_as_by_a_float64_svd(shape, name):
    r = rank(shape)
    first = 3 * SPECTRA["healthy"](r)
    weight = with_spectrum(shape, SPECTRA[name](r))
    u, _, vt = np.linalg.svd(as_matrix(weight).double().numpy(), full_matrices=False)
    found, kept = restore(weight, torch.tensor(first))
    np.testing.assert_array_equal(kept, first)
    truth = (u * first) @ vt
    assert np.linalg.norm(as_matrix(found).double().numpy() - truth) <= 2e-5 * np.linalg.norm(
        truth
    )


def test_the_first_call_records_the_spectrum_and_leaves_the_weight():
    weight = with_spectrum((16, 16, 3, 3), SPECTRA["raw scale"](16))
    same, first = restore(weight, None)
    assert same is weight
    assert first is not None
    torch.testing.assert_close(first, spectrum(weight), rtol=1e-9, atol=0)
    again, _ = restore(weight, first)
    torch.testing.assert_close(again, weight, rtol=1e-5, atol=1e-6)
    collapsed = with_spectrum((16, 16, 3, 3), SPECTRA["collapsed"](16))
    torch.testing.assert_close(spectrum(restore(collapsed, first)[0]), first, rtol=1e-5, atol=0)


def test_a_first_spectrum_completes_missing_directions():
    sigma = np.concatenate([np.linspace(1, 0.8, NOT_ZERO), np.zeros(24 - NOT_ZERO)])
    first = torch.linspace(2, 1, 24).double()
    found, _ = restore(with_spectrum((24, 12, 3, 3), sigma), first)
    torch.testing.assert_close(spectrum(found), first, rtol=1e-5, atol=0)


@pytest.mark.parametrize("value", [0.0, math.nan, math.inf])
def test_nothing_is_put_back_into_a_zero_or_non_finite_weight(value):
    weight = torch.full((4, 4, 3, 3), value)
    for first in (None, torch.ones(4).double()):
        found, kept = restore(weight, first)
        assert found is weight
        assert kept is first


# Degenerate input, in both forms.


def test_static_compensation_completes_missing_directions_of_a_tall_weight():
    sigma = np.concatenate([np.linspace(1, 0.8, NOT_ZERO), np.zeros(36 - NOT_ZERO)])
    weight = with_spectrum((50, 4, 3, 3), 3 * sigma)
    lifted = spectrum(compensate(weight, 18, renormalise=False)).numpy()
    np.testing.assert_allclose(lifted[:18], 3, rtol=1e-5)
    assert lifted[18:].max() < 3e-6


BAD = {
    "zero": 0.0,
    "nan": math.nan,
    "inf": math.inf,
    "-inf": -math.inf,
}


def bad_weight(value):
    weight = torch.zeros(8, 8, 3, 3) if value == 0 else torch.ones(8, 8, 3, 3)
    weight[0, 0, 0, 0] = value
    return weight


@pytest.mark.parametrize("value", BAD.values(), ids=BAD)
def test_what_cannot_be_compensated_comes_back_as_it_is(value):
    weight, gamma = bad_weight(value), torch.ones(8).double()
    assert compensate(weight, 4, renormalise=True) is weight
    for recorded in (None, gamma):
        same, kept = compensate_dynamic(weight, recorded, renormalise=True)
        assert same is weight
        assert kept is recorded
        constants, kept = dynamic_compensation(weight, recorded)
        assert constants is None
        assert kept is recorded
    assert static_compensation(weight, 4) is None


@pytest.mark.parametrize("value", list(BAD.values())[1:], ids=list(BAD)[1:])
def test_spectrum_of_a_weight_that_is_not_finite_is_nan(value):
    assert spectrum(bad_weight(value)).isnan().all()


@pytest.mark.parametrize("scale", [1e-40, 1e-30, 1e15, 1e25])
def test_scale_does_not_matter_to_any_form(scale):
    weight = with_spectrum((16, 16, 3, 3), np.linspace(1, 0.1, 16)).double()
    gamma = torch.linspace(1, 0.4, 16).double()
    for form in (
        lambda w: compensate(w, 8, renormalise=True),
        lambda w: compensate_dynamic(w, gamma, renormalise=True)[0],
        lambda w: apply_compensation(w, static_compensation(w, 8)),
        lambda w: apply_compensation(w, dynamic_compensation(w, gamma)[0]),
    ):
        torch.testing.assert_close(form(weight * scale), form(weight), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("i", [0, -3, 17, 1000])
def test_i_is_kept_within_one_and_r(i):
    weight = with_spectrum((16, 16, 3, 3), SPECTRA["power law"](16))
    nearest = 1 if i < 1 else 16
    assert torch.equal(
        compensate(weight, i, renormalise=True), compensate(weight, nearest, renormalise=True)
    )


def test_compensation_keeps_shape_dtype_and_layout():
    for shape in SHAPES.values():
        weight = with_spectrum(shape, SPECTRA["healthy"](rank(shape)))
        once = compensate(weight, 2, renormalise=True)
        assert (once.shape, once.dtype) == (weight.shape, torch.float32)
        assert once.is_contiguous()


# Reparametrised: Eq. (10) and its gradient, Eq. (11).

SIDES = {
    "wide": (5, 8),
    "tall": (8, 5),
    "convolution": (4, 2, 3, 3),
    "tall convolution": (9, 2, 2, 2),
}


def random_weight(shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


GAMMAS = torch.tensor([1.0, 0.95, 0.2, 0.9, 0.7, 0.05, 0.6, 0.5], dtype=torch.float64)


def compensated(form, weight):
    """Constants of Eq. (10), and (gamma_k) for every k that the form compensates, else None.

    Dynamic: gammas of which some are above sigma_k / sigma_1 and some below.
    """
    s = torch.linalg.svdvals(as_matrix(weight))
    if form == "static":
        i = 3
        return static_compensation(weight, i), [None, *(i - 1) * [1.0], *(len(s) - i) * [None]]
    recorded = GAMMAS[: len(s)]
    constants, gamma = dynamic_compensation(weight, recorded)
    torch.testing.assert_close(gamma, torch.maximum(recorded, s / s[0]))
    targets = [g if g > x else None for g, x in zip(recorded.tolist(), s / s[0], strict=True)]
    targets[0] = None
    assert 0 < sum(t is not None for t in targets) < len(s) - 1, "some are raised, some are not"
    return constants, targets


def svd(weight):
    """u_k and v_k as rows, sigma."""
    u, s, vh = torch.linalg.svd(as_matrix(weight), full_matrices=False)
    return u.mT, s, vh


def assert_close(a, b, tolerance=1e-10):
    assert (a - b).norm() <= tolerance * b.norm()


FORMS = ["static", "dynamic"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", SIDES.values(), ids=SIDES)
def test_equation_10(shape, form):
    weight = random_weight(shape)
    constants, targets = compensated(form, weight)
    u, s, v = svd(weight)
    # Sigma + Delta Sigma, divided by sigma_1.
    raised = [x if t is None else t * s[0] for x, t in zip(s, targets, strict=True)]
    truth = sum(x / s[0] * torch.outer(a, b) for x, a, b in zip(raised, u, v, strict=True))
    ours = apply_compensation(weight, constants)
    assert ours.shape == weight.shape
    assert_close(as_matrix(ours), truth)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("spectrum_name", ["healthy", "collapsed", "deeply collapsed"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_equation_10_in_float32_is_that_of_a_float64_svd(shape, spectrum_name, form):
    r = rank(shape)
    weight = with_spectrum(shape, SPECTRA[spectrum_name](r))
    if form == "static":
        i = lifted_count(0.5, weight)
        constants, truth = static_compensation(weight, i), reference(weight, i, True)
    else:
        gamma = np.linspace(1, 0.6, r)
        constants, _ = dynamic_compensation(weight, torch.tensor(gamma))
        truth, _ = dynamic_reference(weight, gamma, True)
    ours = as_matrix(apply_compensation(weight, constants)).double().numpy()
    assert np.linalg.norm(ours - truth) <= 1e-5 * np.linalg.norm(truth)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", SIDES.values(), ids=SIDES)
def test_gradient_is_autograds_with_constant_singular_vectors(shape, form):
    weight = random_weight(shape).requires_grad_()
    constants, targets = compensated(form, weight.detach())
    u, _, v = svd(weight.detach())
    matrix = as_matrix(weight)
    s = [a @ matrix @ b for a, b in zip(u, v, strict=True)]
    written = matrix / s[0]
    for k, t in enumerate(targets):
        if t is not None:
            written = written + (t - s[k] / s[0]) * torch.outer(u[k], v[k])
    gradient = random_weight(matrix.shape, seed=1)
    (truth,) = torch.autograd.grad(written, weight, gradient)
    ours = apply_compensation(weight, constants)
    (found,) = torch.autograd.grad(ours, weight, gradient.view_as(weight))
    assert_close(found, truth)


def equation_11(weight, targets, a, b):
    """dW_SR / dW_ab as the paper prints it: four terms. Static has every gamma_k = 1."""
    u, s, v = svd(weight)
    matrix, sigma = as_matrix(weight), s[0]
    e = torch.zeros_like(matrix)
    e[a, b] = 1
    first = torch.outer(u[0], v[0])
    raised = [(k, t) for k, t in enumerate(targets) if t is not None]
    delta = torch.zeros_like(matrix)
    for k, t in raised:
        delta += (t * sigma - s[k]) * torch.outer(u[k], v[k])
    result = e - matrix / sigma * first[a, b] - delta / sigma * first[a, b]
    for k, t in raised:
        kth = torch.outer(u[k], v[k])
        result += (t * first - kth)[a, b] * kth
    return result / sigma


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", SIDES.values(), ids=SIDES)
def test_gradient_is_equation_11(shape, form):
    weight = random_weight(shape).requires_grad_()
    constants, targets = compensated(form, weight.detach())
    rows, columns = as_matrix(weight).shape
    gradient = random_weight((rows, columns), seed=1)
    truth = torch.empty(rows, columns, dtype=torch.float64)
    for a in range(rows):
        for b in range(columns):
            truth[a, b] = (gradient * equation_11(weight.detach(), targets, a, b)).sum()
    ours = apply_compensation(weight, constants)
    (found,) = torch.autograd.grad(ours, weight, gradient.view_as(weight))
    assert_close(as_matrix(found), truth)


@pytest.mark.parametrize("form", FORMS)
def test_gradient_is_that_of_finite_differences(form):
    """By gradcheck, of W_SR with the vectors of W and the singular values of what is varied."""
    weight = random_weight((4, 6))
    constants, _ = compensated(form, weight)

    def w_sr(x):
        y = x.detach()
        moved = constants._replace(
            sigma1=constants.u1 @ y @ constants.v1,
            sigma=((constants.u.mT @ y) * constants.v.mT).sum(1),
        )
        return apply_compensation(x, moved)

    assert torch.autograd.gradcheck(w_sr, [weight.requires_grad_()])


def with_and_without(constants, weight):
    """W_SR and W_SN of the same singular vectors, each with its gradient."""
    gradient = random_weight(weight.shape, seed=2)
    sr = apply_compensation(weight, constants)
    sn = weight / spectral_norm(weight, constants.u1, constants.v1)
    (sr_gradient,) = torch.autograd.grad(sr, weight, gradient)
    (sn_gradient,) = torch.autograd.grad(sn, weight, gradient)
    return (sr, sr_gradient), (sn, sn_gradient)


@pytest.mark.parametrize("shape", SIDES.values(), ids=SIDES)
def test_reparam_with_i_of_one_is_spectral_normalization(shape):
    weight = random_weight(shape).requires_grad_()
    for sr, sn in zip(*with_and_without(static_compensation(weight, 1), weight), strict=True):
        assert_close(sr, sn, 1e-12)
    for sr, sn in zip(*with_and_without(static_compensation(weight, 2), weight), strict=True):
        assert (sr - sn).norm() > 1e-3 * sn.norm(), "with i = 2 neither value nor gradient is"


def test_the_first_dynamic_reparam_is_spectral_normalization():
    weight = random_weight((5, 8)).requires_grad_()
    constants, gamma = dynamic_compensation(weight, None)
    s = torch.linalg.svdvals(weight)
    torch.testing.assert_close(gamma, (s / s[0]).detach())
    for sr, sn in zip(*with_and_without(constants, weight), strict=True):
        assert_close(sr, sn, 1e-12)


def test_project_with_i_of_one_is_the_control_and_not_spectral_normalization():
    """The raw weight shrinks, which spectral normalization never does to it; W_SN stays."""
    weight = with_spectrum((16, 16, 3, 3), SPECTRA["raw scale"](16))
    projected = compensate(weight, 1, renormalise=True)
    sigma = float(spectrum(weight)[0])
    torch.testing.assert_close(projected, weight / sigma)
    assert (projected - weight).norm() > 0.5 * weight.norm()
    sn = weight / sigma
    torch.testing.assert_close(projected / float(spectrum(projected)[0]), sn)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("form", FORMS)
def test_no_nan_in_the_gradient_of_a_weight_that_was_just_projected(form, dtype):
    """All its first i singular values are equal: the derivative of svd or eigh would be NaN."""
    weight = with_spectrum((16, 16, 3, 3), SPECTRA["collapsed"](16)).to(dtype)
    weight = compensate(weight, 8, renormalise=True).requires_grad_()
    if form == "static":
        constants = static_compensation(weight, 8)
    else:
        constants, _ = dynamic_compensation(weight, torch.linspace(1, 0.5, 16).double())
    assert isinstance(constants, Compensation)
    out = apply_compensation(weight, constants)
    (gradient,) = torch.autograd.grad(out.square().sum() + out.sum(), weight)
    assert out.isfinite().all()
    assert gradient.isfinite().all()
    if form == "static":
        torch.testing.assert_close(out, weight.detach(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(20, 6, 2, 2), (30, 5, 2, 2)], ids=["wide", "tall"])
def test_reparam_completes_missing_directions(shape, form):
    r = rank(shape)
    sigma = np.concatenate([np.linspace(1, 0.8, NOT_ZERO), np.zeros(r - NOT_ZERO)])
    weight = with_spectrum(shape, sigma).requires_grad_()
    i = r // 2
    if form == "static":
        constants = static_compensation(weight, i)
        expected = np.concatenate([np.ones(i), np.zeros(r - i)])
    else:
        gamma = np.linspace(1, 0.5, r)
        constants, _ = dynamic_compensation(weight, torch.tensor(gamma))
        expected = np.maximum(gamma, sigma)
    out = apply_compensation(weight, constants)
    np.testing.assert_allclose(spectrum(out).numpy(), expected, atol=2e-6)
    (gradient,) = torch.autograd.grad(out.square().sum(), weight)
    assert gradient.isfinite().all()


def test_constants_have_the_weights_dtype_and_no_gradient():
    weight = with_spectrum((6, 6, 1, 1), SPECTRA["healthy"](6)).requires_grad_()
    for constants in (
        static_compensation(weight, 3),
        dynamic_compensation(weight, torch.ones(6).double())[0],
    ):
        for constant in constants:
            assert constant.dtype == torch.float32
            assert not constant.requires_grad


def test_a_summary_is_of_the_ratios_to_sigma_1():
    values = summary(torch.tensor([4.0, 2.0, 2.0, 0.0], dtype=torch.float64))
    assert list(values) == list(SUMMARIES)
    assert values["sigma2_ratio"] == 0.5
    assert values["low_share"] == 0.25, "of values below half of sigma_1, not at it"
    assert values["mean_ratio"] == 0.5
    assert values["stable_rank"] == 1.5
    assert values["effective_rank"] == pytest.approx(2 * math.sqrt(2))
