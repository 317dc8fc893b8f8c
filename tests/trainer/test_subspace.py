"""Warm static compensation against float64 SVD in a closed loop, and when it is not trusted."""

import math

import numpy as np
import pytest
import torch

from trainer import subspace

torch.set_num_threads(1)

SHAPES = {"square": (48, 48), "wide": (40, 240), "first layer": (27, 64)}


def reference(w, i, renormalise=True):
    u, s, vt = np.linalg.svd(w.double().numpy(), full_matrices=False)
    scale = s[0] if renormalise else 1
    return torch.tensor((u * np.concatenate([np.full(i, s[0]), s[i:]]) / scale) @ vt)


def projector(w, i):
    u, _, _ = np.linalg.svd(w.double().numpy(), full_matrices=False)
    return torch.tensor(u[:, :i] @ u[:, :i].T).float()


def error(found, truth):
    return float((found.double() - truth).norm() / truth.norm())


def lift(w, p, **named):
    factor, p, trusted = subspace.lift(
        (w @ w.mT)[None], p[None], **({"renormalise": True} | named)
    )
    return factor[0] @ w, p[0], bool(trusted)


def projected(shape, i, seed=0):
    w = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return reference(w, i).float()


def moved(w, relative, kind, rng, updates=5):
    """w after a few updates, each of the given size over that of w, at random or all alike."""
    alike = torch.outer(*(torch.randn(n, generator=rng) for n in w.shape))
    for _ in range(updates):
        step = alike if kind == "coherent" else torch.randn(w.shape, generator=rng)
        w = w + relative * w.norm() * step / step.norm()
    return w


@pytest.mark.parametrize("kind", ["random", "coherent"])
@pytest.mark.parametrize("relative", [1e-3, 1e-2])
@pytest.mark.parametrize("i_ratio", [0.25, 0.5, 1.0])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_closed_loop_is_that_of_a_float64_svd(shape, i_ratio, relative, kind):
    rng = torch.Generator().manual_seed(1)
    i = int(i_ratio * min(shape))
    w = projected(shape, i)
    p = projector(w, i)
    for _ in range(4):
        w = moved(w, relative, kind, rng)
        truth = reference(w, i)
        w, p, trusted = lift(w, p)
        assert trusted
        assert error(w, truth) < 1e-5
        assert error(p, projector(truth, i).double()) < 1e-4


@pytest.mark.parametrize("scale", [0.02, 1.0, 50.0])
def test_sigma_1_is_kept_where_nothing_is_renormalised(scale):
    w = moved(scale * projected((32, 96), 16), 1e-2, "random", torch.Generator().manual_seed(0))
    found, _, trusted = lift(w, projector(w, 16), renormalise=False)
    assert trusted
    assert error(found, reference(w, 16, renormalise=False)) < 1e-5


@pytest.mark.parametrize("kind", ["random", "coherent"])
@pytest.mark.parametrize("relative", [3e-2, 1e-1, 1.0])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_what_is_trusted_is_right_however_far_the_weight_moved(shape, relative, kind):
    """From far away it may fail, and says so: never a wrong answer that is trusted."""
    i = min(shape) // 2
    for seed in range(3):
        rng = torch.Generator().manual_seed(seed)
        before = projected(shape, i, seed)
        w = moved(before, relative, kind, rng)
        found, _, trusted = lift(w, projector(before, i))
        assert not trusted or error(found, reference(w, i)) < 1e-5


def test_a_projector_that_has_not_converged_is_not_trusted():
    """sigma_i has all but met sigma_i+1: 14 purifications leave the answer 2e-4 off."""
    before = projected((48, 48), 36, seed=57)
    w = moved(before, 5e-2, "coherent", torch.Generator().manual_seed(57))
    found, _, trusted = lift(w, projector(before, 36))
    assert error(found, reference(w, 36)) > 1e-5
    assert not trusted


def random_projector(r, i, seed=3):
    rng = torch.Generator().manual_seed(seed)
    q, _ = torch.linalg.qr(torch.randn(r, i, generator=rng))
    return q @ q.mT


SPECTRA = {
    "no gap": lambda r: np.linspace(1, 0.99, r),
    "collapsed": lambda r: np.concatenate([[1], np.geomspace(2e-2, 1e-2, r - 1)]),
    "deeply collapsed": lambda r: np.concatenate([[1], np.geomspace(2e-3, 6e-4, r - 1)]),
}


@pytest.mark.parametrize("spectrum", SPECTRA)
def test_a_spectrum_without_a_gap_is_not_trusted(spectrum):
    r, i = 48, 24
    rng = np.random.default_rng(0)
    u, _ = np.linalg.qr(rng.standard_normal((r, r)))
    v, _ = np.linalg.qr(rng.standard_normal((200, r)))
    w = torch.tensor((u * SPECTRA[spectrum](r)) @ v.T).float()
    _, _, trusted = lift(w, projector(w, i))
    assert not trusted


def test_a_projector_that_has_nothing_to_do_with_the_weight_is_not_trusted():
    w = torch.randn(48, 400, generator=torch.Generator().manual_seed(0))
    for wrong in (random_projector(48, 24), torch.zeros(48, 48), torch.eye(48) / 2):
        _, _, trusted = lift(w, wrong)
        assert not trusted
    # Of a healthy weight, but of another rank than the gap has.
    _, _, trusted = lift(projected((48, 400), 24), random_projector(48, 20))
    assert not trusted


@pytest.mark.parametrize("value", [0.0, math.nan, math.inf, 1e-30, 1e25])
def test_a_bad_matrix_is_not_trusted_and_leaves_the_others_alone(value):
    ws = [projected((32, 90), 16, seed) for seed in range(3)]
    ps = torch.stack([projector(w, 16) for w in ws])
    bad = ws[1] * value if value in (0.0, 1e-30, 1e25) else ws[1].clone()
    bad[0, 0] = bad[0, 0] if math.isfinite(value) else value
    stack = torch.stack([ws[0], bad, ws[2]])
    factor, _, trusted = subspace.lift(stack @ stack.mT, ps, renormalise=True)
    assert trusted.tolist() == [True, False, True]
    for k in (0, 2):
        assert error(factor[k] @ ws[k], reference(ws[k], 16)) < 1e-5


def test_zeros_around_a_matrix_change_nothing():
    w = moved(projected((27, 64), 13), 1e-2, "random", torch.Generator().manual_seed(0))
    wide = torch.cat([w, torch.zeros(21, 64)])
    p = torch.zeros(48, 48)
    p[:27, :27] = projector(w, 13)
    found, new, trusted = lift(wide, p)
    alone, new_alone, _ = lift(w, p[:27, :27])
    assert trusted
    torch.testing.assert_close(found[:27], alone, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(new[:27, :27], new_alone, rtol=1e-4, atol=1e-6)
    assert not found[27:].any()


def symmetric(eigenvalues, seed=0):
    rng = np.random.default_rng(seed)
    u, _ = np.linalg.qr(rng.standard_normal((len(eigenvalues), len(eigenvalues))))
    return torch.tensor((u * np.asarray(eigenvalues)) @ u.T)[None], torch.tensor(u)[None]


def test_inverse_square_root():
    a, u = symmetric(np.linspace(0.05, 1, 20))
    found, defect = subspace.inverse_square_root(a)
    truth = (u * torch.linspace(0.05, 1, 20).double() ** -0.5) @ u.mT
    torch.testing.assert_close(found, truth, rtol=1e-5, atol=1e-5)
    assert float(defect) < 1e-4
    _, defect = subspace.inverse_square_root(symmetric(np.geomspace(1e-6, 1, 20))[0])
    assert float(defect) > 0.1, "too small an eigenvalue is noticed"


def test_purification_parts_eigenvalues_at_the_threshold():
    eigenvalues = np.concatenate([np.linspace(0, 0.6, 15), np.linspace(0.65, 1, 5)])
    g, u = symmetric(eigenvalues)
    found = subspace.purify(g, torch.tensor([0.625]))
    truth = u[:, :, 15:] @ u[:, :, 15:].mT
    torch.testing.assert_close(found, truth, rtol=0, atol=1e-9)


@pytest.mark.parametrize("cluster", [1, 8, 64])
def test_largest_eigenvalue_of_many_that_are_close_together(cluster):
    eigenvalues = np.concatenate([1 - 3e-5 * np.arange(cluster), np.linspace(0, 0.9, 64)])
    a, _ = symmetric(7 * eigenvalues)
    found = float(subspace.largest_eigenvalue(a, 5))
    assert found == pytest.approx(7, rel=2e-4)
    assert found <= 7 * (1 + 1e-9)
