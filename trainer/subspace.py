"""Static compensation by matrix products alone, from the leading subspace of the call before.

Right after a projection sigma_1..sigma_i are equal and apart from the rest. A few updates later
the gap has moved but is still there, and the projector of the last call shows where: it needs no
factorisation, and nothing that waits for the device, to find the new one. Everything is a function
of a stack of Gram matrices G = W W^T [k, r, r], W's smaller side first, and of the projectors
P[k, r, r] onto u_1..u_i; W itself is only multiplied by the outcome. Rows and columns of zeros
added to both change nothing, so that matrices of different r can share a stack.

Whoever calls this switches TF32 off, whose 11 bits are not enough here.
"""

from __future__ import annotations

import torch
from torch import Tensor

# sigma_1 from G to the 8^5 = 32768th: to within 1e-4 of it even where many are close together.
SIGMA_1 = 5
# The edges of the gap from the 512th power: within 1 %, on the far side of where they are.
EDGES = 3
# Steps that part eigenvalues whose sigma are 2 % apart (of sigma_1).
PURIFICATIONS = 14
# Enough for sigma_i down to 0.2 sigma_1.
NEWTON_STEPS = 8
# |P^2 - P| and |I - Z Y|, the largest entries, above which an iteration has not converged: below
# it the worst of 1,296 moved weights was 5e-6 off a float64 SVD, at 5e-5 one was 9e-5 off.
TOLERANCE = 1e-5


def lift(gram: Tensor, projector: Tensor, *, renormalise: bool) -> tuple[Tensor, Tensor, Tensor]:
    """(F[k, r, r], the new projectors, trusted: bool[k]) with W_SR = F W.

    F raises sigma_2..sigma_i to sigma_1, and divides by sigma_1 if `renormalise`. It is not to be
    trusted where the new projector is none of the same rank, as for a gap that closed or moved
    away, where sigma_i fell too low, and where anything is not finite.
    """
    square = largest_eigenvalue(gram, SIGMA_1)[:, None, None]
    g = gram / square
    new = purify(g, gap(g, projector))
    identity = _identity(g)
    rest = identity - new
    root, root_defect = inverse_square_root(new @ g @ new + rest)
    factor = root / square.sqrt() if renormalise else root
    trusted = (
        (_largest_entry(new @ rest) <= TOLERANCE)
        & (root_defect <= TOLERANCE)
        & ((_trace(new) - _trace(projector)).abs() < 0.5)
        & factor.isfinite().flatten(1).all(1)
    )
    return factor, new, trusted


def gap(g: Tensor, projector: Tensor) -> Tensor:
    """[k]: the middle between the smallest eigenvalue of G inside of the projector's span and the
    largest outside of it, of G whose largest eigenvalue is 1."""
    identity = _identity(g)
    rest = identity - projector
    inner = projector @ (identity - g) @ projector
    outer = rest @ g @ rest
    # Right after a projection nothing is left inside, and for i = r nothing is outside.
    blocks = torch.cat([inner, outer]) + 1e-5 * identity
    inner_edge, outer_edge = largest_eigenvalue(blocks, EDGES).chunk(2)
    return (1 - inner_edge + outer_edge) / 2


def purify(g: Tensor, threshold: Tensor) -> Tensor:
    """The projectors onto eigenvectors of G above the threshold[k]; its eigenvalues lie in [0, 1].

    P <- 3 P^2 - 2 P^3 (McWeeny 1960) takes what is above 1/2 to 1, and below to 0.
    """
    t = threshold[:, None, None]
    identity = _identity(g)
    p = identity / 2 + 0.7 * (g - t * identity) / torch.maximum(t, 1 - t)
    for _ in range(PURIFICATIONS):
        square = p @ p
        p = torch.baddbmm(square, square, p, beta=3, alpha=-2)
    return p


def inverse_square_root(a: Tensor) -> tuple[Tensor, Tensor]:
    """(A^-1/2 [k, r, r], max |I - Z Y| [k]) of symmetric A with eigenvalues in (0, 1].

    Coupled Newton-Schulz: T = (3 I - Z Y) / 2, Y <- Y T, Z <- T Z, from Y = A and Z = I.
    """
    identity = _identity(a)
    y, z = a, identity.expand_as(a)
    for _ in range(NEWTON_STEPS):
        t = torch.baddbmm(identity, z, y, beta=1.5, alpha=-0.5)
        y, z = y @ t, t @ z
    return z, _largest_entry(identity - z @ y)


def largest_eigenvalue(a: Tensor, eighth_powers: int) -> Tensor:
    """[k] of symmetric positive semidefinite A: tr(A P) / tr(P), P = A to the 8^eighth_powers.

    Never above the truth. Below it by a share of log(r) / 8^eighth_powers at worst, where many
    eigenvalues lie that close together and power iteration would need as many products.
    """
    p = a
    for _ in range(eighth_powers):
        p = torch.linalg.matrix_power(p / _trace(p)[:, None, None], 8)
    return (a * p).sum((1, 2)) / _trace(p)


def _largest_entry(a: Tensor) -> Tensor:
    return a.abs().flatten(1).amax(1)


def _trace(a: Tensor) -> Tensor:
    return a.diagonal(dim1=1, dim2=2).sum(1)


def _identity(a: Tensor) -> Tensor:
    return torch.eye(a.shape[-1], dtype=a.dtype, device=a.device)
