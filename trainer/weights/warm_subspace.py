"""Static compensation of a large matrix on from the singular vectors of the call before.

Right after a projection sigma_1..sigma_i are equal and apart from the rest, and a few updates turn
their span only a little: one step of subspace iteration and a Rayleigh-Ritz problem of size i in
float32 take the place of an eigendecomposition of size r in float64. By how much the step turned
the span decides whether it is believed.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trainer.spectral import static_compensation
from trainer.tf32 import without_tf32

# The angle that is left to the span, as a mean over its vectors, and the steps towards it before
# the decomposition is made anew.
ANGLE = 1e-3
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
    for _ in range(STEPS):
        product = matrix @ (matrix.mT @ basis)
        factor, failed = torch.linalg.cholesky_ex(product.mT @ product)
        if failed:
            return None
        before = basis
        basis = torch.linalg.solve_triangular(factor.mT, product, upper=True, left=False)
        inner = basis.mT @ matrix
        eigenvalues, vectors = torch.linalg.eigh(inner @ inner.mT)
        outside = _outside(matrix, basis).square()
        # The span holds u_1..u_i only as long as nothing outside of it has grown beyond.
        if not eigenvalues[0] > outside:
            return None
        # A step leaves rho = (sigma_{i+1} / sigma_i)^2 of the angle; by this the last one turned.
        turned = (len(vectors) - (before.mT @ basis).square().sum()).clamp(min=0).sqrt()
        rho = outside / eigenvalues[0]
        if turned * rho / (1 - rho) <= ANGLE * len(vectors) ** 0.5:
            sigma = eigenvalues.sqrt()
            gain = (vectors * (sigma[-1] / sigma - 1)) @ vectors.mT
            result = torch.addmm(matrix, basis, gain @ inner)
            result = result / sigma[-1] if renormalise else result * scale
            return result.to(wide.dtype), basis
    return None


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
