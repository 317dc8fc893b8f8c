"""Spectra of weight matrices, power iteration, and the compensation of spectral regularization.

Pure functions of tensors. W[out, in * kh * kw] is a convolution's weight reshaped, r = min of its
sides, sigma_1 >= .. >= sigma_r its singular values, u_k and v_k its singular vectors.

Everything goes through the eigenvalues of the float64 Gram matrix of W's smaller side: more
accurate than a float32 SVD, three to seven times cheaper, and right in the collapsed regime,
where a float32 Gram matrix is not (its floor is 2e-4 sigma_1). Nothing here is differentiated:
at the ties that a projection leaves, the derivative of svd and eigh is NaN.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

# Below this sigma_i / sigma_1 the Gram matrix no longer determines the singular vectors.
RANK_DEFICIENT = 1e-6


def as_matrix(weight: Tensor) -> Tensor:
    """W[out, in * kh * kw] of a convolution weight [out, in, kh, kw]."""
    return weight.flatten(1)


def lifted_count(i_ratio: float, weight: Tensor) -> int:
    """i = max(1, floor(i_ratio * r)): how many singular values static compensation equalises."""
    return max(1, math.floor(i_ratio * min(as_matrix(weight).shape)))


def power_iteration(weight: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """One step (u[out], v[in * kh * kw]), both of unit length, towards the first pair of W."""
    matrix = as_matrix(weight)
    v = F.normalize(matrix.mT @ u, dim=0, eps=1e-12)
    return F.normalize(matrix @ v, dim=0, eps=1e-12), v


def spectral_norm(weight: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """sigma = u^T W v, Eq. (4), differentiable in W; u and v count as constants."""
    return torch.dot(u, as_matrix(weight) @ v)


def spectrum(weight: Tensor) -> Tensor:
    """sigma[r] in float64, descending; all NaN where the weight is not finite."""
    gram, scale = _scaled_gram(weight)
    if not torch.isfinite(gram).all():
        return torch.full(gram.shape[:1], math.nan, dtype=torch.float64, device=weight.device)
    return torch.linalg.eigvalsh(gram).clamp(min=0).sqrt().flip(0) * scale


def compensate(weight: Tensor, i: int, *, renormalise: bool) -> Tensor:
    """W with sigma_2..sigma_i raised to sigma_1 (Eq. 9), divided by sigma_1 if `renormalise`.

    i = 1 lifts nothing. A zero or non-finite weight comes back as it is: there is nothing to
    compensate in the one, and the other is for the loop to see and end the run on.
    """
    gram, scale = _scaled_gram(weight)
    if scale == 0 or not torch.isfinite(gram).all():
        return weight
    eigenvalues, u = torch.linalg.eigh(gram)
    sigma, u = eigenvalues.clamp(min=0).sqrt().flip(0), u.flip(1)
    wide = _wide(weight).double() / scale
    i = min(max(i, 1), len(sigma))
    if sigma[i - 1] < RANK_DEFICIENT * sigma[0]:
        lifted = _lift_rank_deficient(wide, i)
    else:
        gain = sigma[0] / sigma[:i] - 1
        lifted = wide + (u[:, :i] * gain) @ (u[:, :i].mT @ wide)
    result = lifted / sigma[0] if renormalise else lifted * scale
    matrix = as_matrix(weight)
    result = result.mT if matrix.shape[0] > matrix.shape[1] else result
    return result.to(weight.dtype).reshape(weight.shape).contiguous()


def _lift_rank_deficient(wide: Tensor, i: int) -> Tensor:
    """The same lift by SVD, which completes the missing singular vectors orthonormally."""
    u, sigma, vh = torch.linalg.svd(wide, full_matrices=False)
    sigma[:i] = sigma[0].clone()
    return (u * sigma) @ vh


def _wide(weight: Tensor) -> Tensor:
    matrix = as_matrix(weight)
    return matrix.mT if matrix.shape[0] > matrix.shape[1] else matrix


def _scaled_gram(weight: Tensor) -> tuple[Tensor, Tensor]:
    """M M^T in float64 of the smaller side, M = W / max|W|, and max|W| (float64).

    Scaled, because the squares of a weight of 1e25 or 1e-40 leave the range of its entries.
    """
    wide = _wide(weight).detach().double()
    scale = wide.abs().max()
    scaled = wide / scale if scale > 0 else wide
    return scaled @ scaled.mT, scale


def stable_rank(sigma: Tensor) -> Tensor:
    """||W||_F^2 / sigma_1^2, between 1 and r."""
    return sigma.square().sum() / sigma[0].square()


def effective_rank(sigma: Tensor) -> Tensor:
    """exp of the entropy of sigma_k / sum(sigma), between 1 and r (Roy and Vetterli 2007)."""
    p = sigma / sigma.sum()
    return torch.exp(torch.special.entr(p).sum())
