"""A projection from the subspace before, against float64 SVD, over updates like Adam's."""

import numpy as np
import pytest
import torch

from trainer.config.methods import METHODS
from trainer.weights import layer, warm_subspace
from trainer.weights.warm_subspace import lift

R, COUNT = 96, 48


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def truth(matrix, i, renormalise):
    u, s, vt = np.linalg.svd(matrix.double().numpy(), full_matrices=False)
    s[:i] = s[0]
    result = (u * s) @ vt
    return result / s[0] if renormalise else result


def update(matrix, size, k):
    """A change of `size` relative to the matrix, half of it along one direction."""
    noise = draw(*matrix.shape, seed=k) + 8 * torch.outer(
        draw(len(matrix), seed=k + 1), draw(matrix.shape[1], seed=k + 2)
    ) / np.sqrt(R)
    return matrix + size * matrix.norm() * noise / noise.norm()


@pytest.mark.parametrize("renormalise", [True, False])
@pytest.mark.parametrize(("size", "tolerance"), [(1e-3, 1e-4), (1e-2, 1e-3), (3e-2, 1e-3)])
def test_the_error_against_svd_over_many_updates(size, tolerance, renormalise):
    matrix, basis = draw(R, 2 * R), None
    for k in range(12):
        expected = truth(matrix, COUNT, renormalise)
        matrix, basis = lift(matrix, COUNT, basis, renormalise=renormalise)
        error = np.linalg.norm(matrix.numpy() - expected) / np.linalg.norm(expected)
        assert error <= tolerance
        matrix = update(matrix, size, 10 * k)


def test_small_updates_need_no_decomposition(monkeypatch):
    matrix, basis = lift(draw(R, 2 * R), COUNT, None, renormalise=True)
    monkeypatch.setattr(warm_subspace, "static_compensation", lambda *_: pytest.fail("decomposed"))
    for k in range(5):
        matrix, basis = lift(update(matrix, 3e-3, k), COUNT, basis, renormalise=True)


@pytest.mark.parametrize("fault", ["another matrix", "a new largest", "rank-deficient"])
def test_a_basis_that_no_longer_leads_there_is_not_believed(fault):
    matrix, basis = lift(draw(R, 2 * R), COUNT, None, renormalise=True)
    if fault == "another matrix":
        matrix = draw(R, 2 * R, seed=9)
    elif fault == "a new largest":
        u, s, vt = torch.linalg.svd(matrix, full_matrices=False)
        s[-1] = 3.0
        matrix = (u * s) @ vt
    else:
        u, s, vt = torch.linalg.svd(matrix, full_matrices=False)
        s[5:] = 0
        matrix = (u * s) @ vt
    ours, _ = lift(matrix, COUNT, basis, renormalise=True)
    sigma = np.linalg.svd(ours.double().numpy(), compute_uv=False)
    np.testing.assert_allclose(sigma[:COUNT], 1, rtol=1e-3)


def test_zero_and_nan_come_back_as_they_are():
    _, basis = lift(draw(R, R), COUNT, None, renormalise=True)
    for bad in (torch.zeros(R, R), torch.full((R, R), np.nan)):
        ours, new = lift(bad, COUNT, basis, renormalise=True)
        assert ours is bad
        assert new is None


@pytest.mark.parametrize("tall", [False, True])
def test_large_layers_take_this_way(monkeypatch, tall):
    monkeypatch.setattr(layer, "LARGE", R)
    matrix, memory = draw(1, R, 2 * R), None
    for k in range(3):
        blocks = matrix.mT if tall else matrix
        ours, memory = layer.projected_blocks(METHODS["sr-static"], blocks, memory, 0.5, None)
        expected = truth(blocks[0], COUNT, True)
        np.testing.assert_allclose(ours[0], expected, atol=1e-4)
        assert memory.shape == (1, R, COUNT)
        matrix = update((ours.mT if tall else ours)[0], 3e-3, k)[None]
