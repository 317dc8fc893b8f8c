"""Static compensation of a large matrix on from the singular vectors of the call before.

Right after a projection sigma_1..sigma_i are equal and apart from the rest, and a few updates turn
their span only a little: one step of subspace iteration and a Rayleigh-Ritz problem of size i in
float32 take the place of an eigendecomposition of size r in float64. The residual of the step
decides whether it is believed.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trainer.precision import without_tf32
from trainer.spectral import static_compensation

# ||G U - U diag(lambda)||_F / ||lambda||, and the tries before the decomposition is made anew.
RESIDUAL = 2e-3
STEPS = 3


def lift(
    wide: Tensor, i: int, basis: Tensor | None, *, renormalise: bool
) -> tuple[Tensor, Tensor | None]:
    """(wide[r, n] with sigma_2..sigma_i at sigma_1, u_1..u_i [r, i]), as `spectral.compensate`.

    Without a basis, or where it does not lead to the new one, by eigh of the float64 Gram matrix.
    A zero or non-finite matrix comes back as it is, with None.
    """
    if basis is not None:
        with without_tf32():
            result = _from_basis(wide, basis, renormalise)
        if result is not None:
            return result
    constants = static_compensation(wide, i)
    if constants is None:
        return wide, None
    gain = constants.target - constants.sigma / constants.sigma1
    lifted = wide / constants.sigma1 + (constants.u * gain) @ constants.v.mT
    basis = torch.cat([constants.u1[:, None], constants.u], dim=1)
    return (lifted if renormalise else lifted * constants.sigma1), basis.float()


def _from_basis(wide: Tensor, basis: Tensor, renormalise: bool) -> tuple[Tensor, Tensor] | None:
    matrix = wide.float()
    scale = matrix.abs().max()
    if not scale.isfinite() or scale == 0:
        return None
    matrix = matrix / scale
    gram = matrix @ matrix.mT
    for _ in range(STEPS):
        product = gram @ basis
        factor, failed = torch.linalg.cholesky_ex(product.mT @ product)
        if failed:
            return None
        basis = torch.linalg.solve_triangular(factor.mT, product, upper=True, left=False)
        product = gram @ basis
        small = basis.mT @ product
        residual = (product - basis @ small).norm() / small.norm()
        if residual <= RESIDUAL:
            return _lifted(wide, matrix, scale, basis, small, renormalise)
    return None


def _lifted(
    wide: Tensor, matrix: Tensor, scale: Tensor, basis: Tensor, small: Tensor, renormalise: bool
) -> tuple[Tensor, Tensor] | None:
    eigenvalues, vectors = torch.linalg.eigh((small + small.mT) / 2)
    if not eigenvalues[0] > 0:
        return None
    sigma = eigenvalues.sqrt().flip(0)
    u = basis @ vectors.flip(1)
    # The span holds sigma_1 only as long as nothing outside of it has grown beyond.
    if _outside(matrix, u) > sigma[-1]:
        return None
    factor = (u * (sigma[0] / sigma - 1)) @ u.mT
    factor.diagonal().add_(1)
    result = factor @ matrix
    result = result / sigma[0] if renormalise else result * scale
    return result.to(wide.dtype), u


def _outside(matrix: Tensor, u: Tensor) -> Tensor:
    """sigma_1 of the part of the matrix outside of u's span, from below, by power iteration."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(len(matrix), 4, generator=generator).to(matrix.device)
    for _ in range(4):
        x = x - u @ (u.mT @ x)
        x = torch.linalg.qr(x)[0]
        x = matrix @ (matrix.mT @ x)
    x = x - u @ (u.mT @ x)
    return torch.linalg.matrix_norm(matrix.mT @ torch.linalg.qr(x)[0], 2)
