"""The leading pair against float64 SVD, where it is unique and where it is not."""

import pytest
import torch

from trainer.weights.leading import DECOMPOSED, leading_pair


def draw(rows, columns):
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", [(8, 30), (30, 8), (1, 5)])
def test_the_pair_is_the_first_of_the_svd(shape):
    matrix = draw(*shape)
    u, v = leading_pair(matrix, matrix[:, 0])
    sigma = torch.linalg.svdvals(matrix.double())
    assert float(u @ matrix @ v) == pytest.approx(float(sigma[0]), rel=1e-5)
    assert u.dtype == v.dtype == matrix.dtype


def test_any_pair_of_a_large_flat_spectrum_will_do():
    side = DECOMPOSED + 8
    basis = torch.linalg.qr(draw(side, side))[0]
    sigma = torch.ones(side)
    sigma[side // 2 :] = 0.5
    matrix = (basis * sigma) @ basis.mT
    u, v = leading_pair(matrix, matrix[:, 0])
    assert float(u @ matrix @ v) == pytest.approx(1, rel=1e-4)
