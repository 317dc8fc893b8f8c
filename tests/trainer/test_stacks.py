"""Compensation of stacks against numpy's float64 SVD, and what one bad matrix does: nothing."""

import math

import numpy as np
import pytest
import torch

from trainer import stacks
from trainer.spectral import RANK_DEFICIENT, compensate

torch.set_num_threads(1)

SPECTRA = {
    "healthy": lambda r: np.linspace(1, 0.5, r),
    "just projected": lambda r: np.concatenate(
        [np.ones(r // 2), np.linspace(0.8, 0.1, r - r // 2)]
    ),
    "collapsed": lambda r: np.concatenate([[1], np.geomspace(2e-2, 1e-2, r - 1)]),
    "deeply collapsed": lambda r: np.concatenate([[1], np.geomspace(2e-3, 6e-4, r - 1)]),
    "raw scale": lambda r: 7.5 * np.linspace(1, 0.1, r),
}
SIDES = {"square": (48, 48), "wide": (32, 288)}


def with_spectrum(r, n, sigma, seed=0):
    rng = np.random.default_rng(seed)
    u, _ = np.linalg.qr(rng.standard_normal((r, r)))
    v, _ = np.linalg.qr(rng.standard_normal((n, r)))
    return torch.tensor((u * sigma) @ v.T).float()


def stack_of(r, n):
    return torch.stack([with_spectrum(r, n, s(r), k) for k, s in enumerate(SPECTRA.values())])


def grams(ws):
    return ws.double() @ ws.double().mT


def raised(w, target, renormalise):
    """Eq. (9) by float64 SVD: sigma_k at target_k sigma_1."""
    u, s, vt = np.linalg.svd(w.double().numpy(), full_matrices=False)
    s[: len(target)] = target * s[0]
    return torch.tensor((u * (s / (s[0] if renormalise else 1))) @ vt)


def assert_near(found, truth, tolerance=1e-5):
    assert float((found.float().double() - truth).norm()) <= tolerance * float(truth.norm())


@pytest.mark.parametrize("renormalise", [True, False])
@pytest.mark.parametrize("sides", SIDES.values(), ids=SIDES)
def test_static_compensation_is_that_of_a_float64_svd(sides, renormalise):
    ws, i = stack_of(*sides), sides[0] // 2
    factor, projectors, sound = stacks.lift(grams(ws), i, renormalise=renormalise)
    assert sound.all()
    for w, f, p in zip(ws, factor, projectors, strict=True):
        assert_near(f @ w.double(), raised(w, np.ones(i), renormalise))
        u, _, _ = np.linalg.svd(w.double().numpy())
        assert p.dtype == torch.float32
        if not np.allclose(w, ws[1]):  # within its tie any vectors serve, but the span is one
            assert_near(p, torch.tensor(u[:, :i] @ u[:, :i].T), 1e-3)


@pytest.mark.parametrize("renormalise", [True, False])
@pytest.mark.parametrize("sides", SIDES.values(), ids=SIDES)
def test_dynamic_compensation_is_that_of_a_float64_svd(sides, renormalise):
    r = sides[0]
    names = [k for k, name in enumerate(SPECTRA) if name != "just projected"]
    ws = stack_of(*sides)[names]
    gamma = torch.linspace(1, 0.4, r).double().expand(len(ws), r)
    factor, new, sound = stacks.lift_dynamic(grams(ws), gamma, renormalise=renormalise)
    assert sound.all()
    for w, f, kept in zip(ws, factor, new, strict=True):
        s = np.linalg.svd(w.double().numpy(), compute_uv=False)
        expected = np.maximum(gamma[0].numpy(), s / s[0])
        np.testing.assert_allclose(kept, expected, rtol=1e-5)
        assert_near(f @ w.double(), raised(w, expected, renormalise))


def test_the_first_dynamic_call_only_records():
    ws = stack_of(32, 64)
    factor, gamma, sound = stacks.lift_dynamic(grams(ws), None, renormalise=True)
    assert sound.all()
    assert torch.equal((factor @ ws.double()).float(), ws)
    for w, kept in zip(ws, gamma, strict=True):
        s = np.linalg.svd(w.double().numpy(), compute_uv=False)
        np.testing.assert_allclose(kept, s / s[0], rtol=1e-5)


@pytest.mark.parametrize("sides", [(3, 64), *SIDES.values()])
def test_where_nothing_is_lifted_sigma_1_alone_counts(sides):
    ws = stack_of(*sides)
    factor, kept, sound = stacks.divide(grams(ws), renormalise=True)
    assert sound.all()
    assert kept == [None] * len(ws)
    for w, f in zip(ws, factor, strict=True):
        assert_near(f @ w.double(), raised(w, np.ones(1), True))
    factor, _, _ = stacks.divide(grams(ws), renormalise=False)
    assert torch.equal((factor @ ws.double()).float(), ws)


@pytest.mark.parametrize("sides", SIDES.values(), ids=SIDES)
def test_a_first_spectrum_is_put_back_as_by_a_float64_svd(sides):
    names = [k for k, name in enumerate(SPECTRA) if name != "just projected"]
    ws = stack_of(*sides)[names]
    first = torch.linspace(3, 1.2, sides[0]).double().expand(len(ws), sides[0])
    factor, kept, sound = stacks.restore(grams(ws), first)
    assert sound.all()
    assert kept is first
    for w, f in zip(ws, factor, strict=True):
        s = np.linalg.svd(w.double().numpy(), compute_uv=False)
        assert_near(f @ w.double(), raised(w, first[0].numpy() / s[0], False))
    factor, kept, _ = stacks.restore(grams(ws), None)
    assert torch.equal((factor @ ws.double()).float(), ws)
    for w, own in zip(ws, kept, strict=True):
        np.testing.assert_allclose(
            own, np.linalg.svd(w.double().numpy(), compute_uv=False), rtol=1e-5
        )


SOLVERS = {
    "first": lambda gram: stacks.restore(gram, torch.ones(gram.shape[:2]).double()),
    "static": lambda gram: stacks.lift(gram, 8, renormalise=True),
    "dynamic": lambda gram: stacks.lift_dynamic(
        gram, torch.ones(gram.shape[:2]).double(), renormalise=True
    ),
    "recording": lambda gram: stacks.lift_dynamic(gram, None, renormalise=True),
    "divide": lambda gram: stacks.divide(gram, renormalise=True),
}


@pytest.mark.parametrize("value", [0.0, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_bad_matrix_leaves_the_others_alone(solver, value):
    ws = torch.stack([with_spectrum(16, 40, np.linspace(1, 0.3, 16), seed) for seed in range(3)])
    good, _, _ = SOLVERS[solver](grams(ws))
    ws[1, 0, 0] = value
    if value == 0:
        ws[1] = 0
    factor, _, sound = SOLVERS[solver](grams(ws))
    assert sound.tolist() == [True, False, True]
    torch.testing.assert_close(factor[[0, 2]], good[[0, 2]])


@pytest.mark.parametrize(("last", "lifted", "sound"), [(0.0, 4, False), (0.0, 3, True)])
def test_a_rank_deficient_matrix_is_not_sound_within_the_first_i(last, lifted, sound):
    w = with_spectrum(6, 20, np.array([1, 0.9, 0.8, last, last, last]))
    _, _, found = stacks.lift(grams(w[None]), lifted, renormalise=True)
    assert bool(found) == sound
    assert RANK_DEFICIENT > 0
    _, _, found = stacks.lift_dynamic(grams(w[None]), torch.ones(1, 6).double(), renormalise=True)
    assert not found


@pytest.mark.parametrize("scale", [1e-40, 1e-30, 1e15, 1e25])
def test_the_scale_does_not_matter(scale):
    w = with_spectrum(16, 40, np.linspace(1, 0.1, 16)).double()
    factor, _, sound = stacks.lift(grams(scale * w[None]), 8, renormalise=True)
    assert sound.all()
    one = compensate(w, 8, renormalise=True)
    torch.testing.assert_close(factor[0] @ (scale * w), one, rtol=1e-8, atol=1e-10)


def test_rows_of_one_kind_share_a_call():
    calls = []

    def double(name, tensor, extra):
        calls.append((name, tuple(tensor.shape), extra is None))
        return 2 * tensor, [name] * len(tensor)

    tensors = [torch.full((n,), float(k)) for k, n in enumerate([2, 3, 2, 2, 2])]
    found = stacks.in_stacks(double, ["a", "a", "a", "b", "a"], tensors, [*4 * [None], tensors[0]])
    assert calls == [
        ("a", (2, 2), True),
        ("a", (1, 3), True),
        ("b", (1, 2), True),
        ("a", (1, 2), False),
    ]
    for k, (doubled, name) in enumerate(found):
        assert torch.equal(doubled, 2 * tensors[k])
        assert name == ("b" if k == 3 else "a")


def test_padding_is_undone():
    for tensor in (torch.randn(3, 3), torch.randn(5, 5)):
        wide = stacks.padded(tensor, 5)
        assert wide.shape == (5, 5)
        assert wide.count_nonzero() == tensor.numel()
        assert torch.equal(stacks.first(wide, len(tensor)), tensor)
