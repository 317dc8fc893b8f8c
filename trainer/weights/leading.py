"""The leading singular vectors of a matrix, which spectral normalization keeps in buffers."""

from __future__ import annotations

import torch
from torch import Tensor

# Up to this side eigh of the Gram matrix is as cheap as products.
DECOMPOSED = 512


def leading_pair(matrix: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """(u[rows], v[columns]) of sigma_1, of unit length, on from `u`.

    By eigh of the smaller side up to 512, beyond it by 64 steps of power iteration on the span of
    8 vectors, which is enough where many singular values are equal: any pair will do there.
    """
    matrix = matrix.double()
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.mT
    if len(wide) <= DECOMPOSED:
        first = torch.linalg.eigh(wide @ wide.mT)[1][:, -1]
    else:
        first = _leading_vector(wide.float())
    second = wide.mT @ first.double()
    second = second / second.norm()
    pair = (first, second) if wide is matrix else (second, first)
    return pair[0].to(u.dtype), pair[1].to(u.dtype)


def _leading_vector(wide: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    basis = torch.randn(len(wide), 8, generator=generator).to(wide.device)
    for _ in range(16):
        basis = torch.linalg.qr(wide @ (wide.mT @ basis))[0]
    small = basis.mT @ wide
    return basis @ torch.linalg.eigh((small @ small.mT).double())[1][:, -1].float()
