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
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from trainer.tf32 import without_tf32

# Below this sigma_i / sigma_1 the Gram matrix no longer determines the singular vectors.
RANK_DEFICIENT = 1e-6
# What `summary` says of a spectrum.
SUMMARIES = ("sigma2_ratio", "low_share", "mean_ratio", "stable_rank", "effective_rank")


def as_matrix(weight: Tensor) -> Tensor:
    """W[out, in * kh * kw] of a convolution weight [out, in, kh, kw]."""
    return weight.flatten(1)


def wide_matrix(weight: Tensor) -> Tensor:
    """W with its smaller side first, [r, n]: transposed where it is tall."""
    matrix = as_matrix(weight)
    return matrix.mT if matrix.shape[0] > matrix.shape[1] else matrix


def like_weight(wide: Tensor, weight: Tensor) -> Tensor:
    """The inverse of `wide_matrix`: wide[r, n] in the weight's shape and dtype."""
    rows, columns = as_matrix(weight).shape
    matrix = wide.mT if rows > columns else wide
    return matrix.to(weight.dtype).reshape(weight.shape).contiguous()


def lifted_count(i_ratio: float, weight: Tensor) -> int:
    """i = max(1, floor(i_ratio * r)): how many singular values static compensation equalises."""
    return max(1, math.floor(i_ratio * min(as_matrix(weight).shape)))


def power_iteration(weight: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """Steps (u[out], v[in * kh * kw]), both of unit length, towards the first pair of W."""
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
    factors = _factorise(weight)
    if factors is None:
        return weight
    count = min(max(i, 1), len(factors.sigma))
    return _raised(weight, factors, torch.ones_like(factors.sigma[:count]), renormalise)


def compensate_dynamic(
    weight: Tensor, gamma: Tensor | None, *, renormalise: bool
) -> tuple[Tensor, Tensor | None]:
    """W with every sigma_k raised to gamma_k sigma_1, and the new gamma[r] (float64).

    gamma_k is the highest sigma_k / sigma_1 of all calls so far (Eq. 9, dynamic). The first call,
    with gamma None, only records. Zero and non-finite weights as in `compensate`.
    """
    factors = _factorise(weight)
    if factors is None:
        return weight, gamma
    ratio = factors.sigma / factors.sigma[0]
    if gamma is None:
        return weight, ratio
    gamma = torch.maximum(gamma, ratio)
    return _raised(weight, factors, gamma, renormalise), gamma


def restore(weight: Tensor, first: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """W with the singular values first[r] (float64) in place of its own, larger and smaller ones.

    With None, at the first call, W as it is with its own. Zero and non-finite weights as in
    `compensate`.
    """
    factors = _factorise(weight)
    if factors is None:
        return weight, first
    if first is None:
        return weight, factors.sigma * factors.scale
    target = first / (factors.sigma[0] * factors.scale)
    return _raised(weight, factors, target, renormalise=False), first


class _Factors(NamedTuple):
    """W's smaller side first, M[r, n] / scale, with its sigma[r] descending and u[r, r]."""

    wide: Tensor
    scale: Tensor
    sigma: Tensor
    u: Tensor


def _factorise(weight: Tensor) -> _Factors | None:
    gram, scale = _scaled_gram(weight)
    if scale == 0 or not torch.isfinite(gram).all():
        return None
    eigenvalues, u = torch.linalg.eigh(gram)
    wide = wide_matrix(weight).detach().double() / scale
    return _Factors(wide, scale, eigenvalues.clamp(min=0).sqrt().flip(0), u.flip(1))


def _raised(weight: Tensor, factors: _Factors, target: Tensor, renormalise: bool) -> Tensor:
    """W with sigma_k at target_k sigma_1 for the first len(target) of them."""
    wide, scale, sigma, u = factors
    i = len(target)
    if sigma[i - 1] < RANK_DEFICIENT * sigma[0]:
        lifted = _lift_rank_deficient(wide, target)
    else:
        gain = target * sigma[0] / sigma[:i] - 1
        lifted = wide + (u[:, :i] * gain) @ (u[:, :i].mT @ wide)
    result = lifted / sigma[0] if renormalise else lifted * scale
    return like_weight(result, weight)


def _lift_rank_deficient(wide: Tensor, target: Tensor) -> Tensor:
    """The same lift by SVD, which completes the missing singular vectors orthonormally."""
    u, sigma, vh = torch.linalg.svd(wide, full_matrices=False)
    sigma[: len(target)] = target * sigma[0].clone()
    return (u * sigma) @ vh


class Compensation(NamedTuple):
    """The constants of Eq. (10) for one weight: W_SR = W / sigma_1 + sum over the compensated k
    of (t_k - sigma_k / sigma_1) u_k v_k^T. Columns of `u`[out, c] and `v`[in * kh * kw, c]."""

    sigma1: Tensor
    u1: Tensor
    v1: Tensor
    sigma: Tensor
    u: Tensor
    v: Tensor
    target: Tensor


def static_compensation(weight: Tensor, i: int) -> Compensation | None:
    """Eq. (10) with t_k = 1 for k = 2..i; None for a zero or non-finite weight."""
    triplets = _singular_triplets(weight, i)
    if triplets is None:
        return None
    sigma, u, v = triplets
    target = torch.ones_like(sigma[1:])
    return _compensation(weight, sigma, u, v, slice(1, None), target)


def dynamic_compensation(
    weight: Tensor, gamma: Tensor | None
) -> tuple[Compensation | None, Tensor | None]:
    """Eq. (10) with t_k = gamma_k where that is above sigma_k / sigma_1, and the new gamma[r].

    The first call, with gamma None, compensates nothing. None for a zero or non-finite weight.
    """
    triplets = _singular_triplets(weight, min(as_matrix(weight).shape))
    if triplets is None:
        return None, gamma
    sigma, u, v = triplets
    ratio = sigma / sigma[0]
    gamma = ratio if gamma is None else torch.maximum(gamma, ratio)
    raised = gamma > ratio
    return _compensation(weight, sigma, u, v, raised, gamma[raised]), gamma


def _singular_triplets(weight: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor] | None:
    """sigma[c], u[out, c] and v[in * kh * kw, c] in float64, the largest first."""
    factors = _factorise(weight)
    if factors is None:
        return None
    wide, scale, sigma, u = factors
    count = min(max(count, 1), len(sigma))
    if sigma[count - 1] < RANK_DEFICIENT * sigma[0]:
        u, sigma, vh = torch.linalg.svd(wide, full_matrices=False)
        v = vh.mT[:, :count]
    else:
        v = wide.mT @ u[:, :count] / sigma[:count]
    matrix = as_matrix(weight)
    sides = (u[:, :count], v) if matrix.shape[0] <= matrix.shape[1] else (v, u[:, :count])
    return sigma[:count] * scale, *sides


def _compensation(
    weight: Tensor, sigma: Tensor, u: Tensor, v: Tensor, columns: slice | Tensor, target: Tensor
) -> Compensation:
    factors = (sigma[0], u[:, 0], v[:, 0], sigma[columns], u[:, columns], v[:, columns], target)
    return Compensation(*(x.to(weight.dtype) for x in factors))


def stacked_compensation(
    weight: Tensor, i: int | None, sigma: Tensor, u1: Tensor, u: Tensor, v: Tensor, target: Tensor
) -> Compensation:
    """One weight's row of `stacks.constants`, of which static compensation leaves out k = 1."""
    columns = slice(0 if i is None else 1, None)
    v1, u, v = v[:, 0], u[:, columns], v[:, columns]
    rows, width = as_matrix(weight).shape
    if rows > width:
        u1, v1, u, v = v1, u1, v, u
    return Compensation(sigma[0], u1, v1, sigma[columns], u, v, target[columns])


def apply_compensation(weight: Tensor, constants: Compensation) -> Tensor:
    """W_SR of Eq. (10), with the gradient of Eq. (11): singular vectors count as constants."""
    return _Compensated.apply(as_matrix(weight), *constants).view_as(weight)  # type: ignore[union-attr]


class _Compensated(torch.autograd.Function):
    """Eq. (10) and Eq. (11) in two thin products. C are the compensated k, g_k = u_k^T G v_k.

    dL/dW = (G - sum_C g_k u_k v_k^T) / sigma_1
            - (<G, W> - sum_C g_k sigma_k) / sigma_1^2 u_1 v_1^T
    """

    @staticmethod
    def forward(ctx, matrix, sigma1, u1, v1, sigma, u, v, target):
        ctx.save_for_backward(matrix, sigma1, u1, v1, sigma, u, v)
        with without_tf32():
            return matrix / sigma1 + (u * (target - sigma / sigma1)) @ v.mT

    @staticmethod
    def backward(ctx, *gradients):
        (gradient,) = gradients
        matrix, sigma1, u1, v1, sigma, u, v = ctx.saved_tensors
        with without_tf32():
            g = ((u.mT @ gradient) * v.mT).sum(1)
            through_sigma1 = ((gradient * matrix).sum() - g @ sigma) / sigma1.square()
            result = (gradient - (u * g) @ v.mT) / sigma1 - through_sigma1 * torch.outer(u1, v1)
        return result, *7 * [None]


def _scaled_gram(weight: Tensor) -> tuple[Tensor, Tensor]:
    """M M^T in float64 of the smaller side, M = W / max|W|, and max|W| (float64).

    Scaled, because the squares of a weight of 1e25 or 1e-40 leave the range of its entries.
    """
    wide = wide_matrix(weight).detach().double()
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


def low_share(sigma: Tensor) -> float:
    """Share of sigma[r] below sigma_1 / 2, from 0 to 1 - 1/r; NaN unless all are finite."""
    if not sigma.isfinite().all():
        return math.nan
    return float((sigma < sigma[0] / 2).double().mean())


def summary(sigma: Tensor) -> dict[str, float]:
    """Summaries of sigma[r], r >= 2: sigma_2 / sigma_1, the share of sigma / sigma_1 below half,
    mean sigma / sigma_1, stable and effective rank."""
    return {
        "sigma2_ratio": float(sigma[1] / sigma[0]),
        "low_share": low_share(sigma),
        "mean_ratio": float(sigma.mean() / sigma[0]),
        "stable_rank": float(stable_rank(sigma)),
        "effective_rank": float(effective_rank(sigma)),
    }
