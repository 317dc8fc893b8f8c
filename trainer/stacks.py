"""Compensation and power iteration of many weights at once, for a GPU: few launches, no waiting.

Weights of one shape are stacked, and what is done to them is done to the stack. Compensation
needs only Gram matrices G = W W^T [k, r, r] of the smaller side: each solver gives a factor
F[k, r, r] with W_SR = F W, what it remembers for the next call, and bool[k] whether F is sound.
A matrix of which it is not (zero, not finite, rank-deficient) leaves the others as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from trainer.spectral import RANK_DEFICIENT
from trainer.subspace import largest_eigenvalue

# Of a float64 Gram matrix: 8^6 = 262144 times it, so sigma_1 to within 1e-5 at worst.
EIGHTH_POWERS = 6


def runs_in_stacks(device: torch.device) -> bool:
    """A GPU waits for launches, and a loop of small factorisations waits for each of them; a CPU
    gains little by stacks, and its loop stays what it was, bit for bit."""
    return device.type == "cuda"


def in_stacks(
    function: Callable[..., Sequence[Tensor | Sequence[Any]]], *columns: Sequence[Any]
) -> list[tuple[Any, ...]]:
    """function(*columns) row by row, but with rows of equal shapes taken together.

    Tensors of such rows are stacked. Whatever else stands in a column must be equal in them, and
    is passed as it is. The function's results, stacks or sequences, are given back row by row.
    """
    rows = list(zip(*columns, strict=True))
    groups: dict[Hashable, list[int]] = {}
    for k, row in enumerate(rows):
        kind = tuple(x.shape if isinstance(x, Tensor) else x for x in row)
        groups.setdefault(kind, []).append(k)
    results: list[tuple[Any, ...]] = [()] * len(rows)
    for members in groups.values():
        stacked = [_stacked(column) for column in zip(*(rows[k] for k in members), strict=True)]
        for k, *parts in zip(members, *function(*stacked), strict=True):
            results[k] = tuple(parts)
    return results


def _stacked(column: Sequence[Any]) -> Any:
    return torch.stack(list(column)) if isinstance(column[0], Tensor) else column[0]


def padded(matrix: Tensor, side: int) -> Tensor:
    """[side, side]: with rows and columns of zeros after the matrix's own."""
    return F.pad(matrix, 2 * (0, side - len(matrix)))


def first(tensor: Tensor, r: int) -> Tensor:
    """The first r entries along every axis: what `padded` started from."""
    return tensor[(slice(r),) * tensor.dim()]


Solved = tuple[Tensor, Tensor | Sequence[None], Tensor]


def divide(gram: Tensor, *, renormalise: bool) -> Solved:
    """i = 1, where nothing is lifted: F = 1 / sigma_1 of a float64 G, by products alone."""
    factor = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device).expand_as(gram)
    sigma1 = largest_eigenvalue(gram, EIGHTH_POWERS).sqrt()
    if renormalise:
        factor = factor / sigma1[:, None, None]
    return factor, [None] * len(gram), sigma1.isfinite() & (sigma1 > 0)


def lift(gram: Tensor, i: int, *, renormalise: bool) -> Solved:
    """sigma_2..sigma_i raised to sigma_1 (Eq. 9) by eigh of a float64 G.

    Remembers the projectors [k, r, r] onto u_1..u_i that `subspace.lift` goes on from, in float32.
    """
    sigma, u, sound = _eigh(gram)
    factor = _factor(sigma, u, torch.ones_like(sigma[:, :i]), renormalise)
    projector = (u[:, :, :i] @ u[:, :, :i].mT).float()
    return factor, projector, sound & (sigma[:, i - 1] >= RANK_DEFICIENT * sigma[:, 0])


def lift_dynamic(gram: Tensor, gamma: Tensor | None, *, renormalise: bool) -> Solved:
    """Every sigma_k raised to gamma_k sigma_1 by eigh of a float64 G; remembers gamma[k, r].

    The first call, with gamma None, only records: its F is the identity.
    """
    sigma, u, sound = _eigh(gram)
    ratio = sigma / sigma[:, :1]
    if gamma is None:
        factor = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device).expand_as(gram)
        return factor, ratio, sound
    gamma = torch.maximum(gamma, ratio)
    factor = _factor(sigma, u, gamma, renormalise)
    return factor, gamma, sound & (sigma[:, -1] >= RANK_DEFICIENT * sigma[:, 0])


def restore(gram: Tensor, first: Tensor | None) -> Solved:
    """Every sigma_k at first[k, r], by eigh of a float64 G; remembers those of the first call,
    whose F is the identity."""
    sigma, u, sound = _eigh(gram)
    if first is None:
        factor = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device).expand_as(gram)
        return factor, sigma, sound
    factor = _factor(sigma, u, first / sigma[:, :1], renormalise=False)
    return factor, first, sound & (sigma[:, -1] >= RANK_DEFICIENT * sigma[:, 0])


def constants(
    gram: Tensor, wide: Tensor, gamma: Tensor | None, *, i: int | None
) -> tuple[list[Tensor], Tensor | Sequence[None], Tensor]:
    """The constants of Eq. (10) of G[k, r, r] = W W^T and W[k, r, n], both in float64, as stacks:
    [sigma[k, c], u_1[k, r], u[k, r, c], v[k, n, c], t[k, c]], the new gamma[k, r], sound[k].

    Static with an i: c = i, and t is 1. Dynamic without: c = r, and t is the new gamma, as for
    `lift_dynamic`. Where nothing is raised u is 0: Eqs. (10) and (11) then have no such term.
    """
    sigma, u, sound = _eigh(gram)
    ratio = sigma / sigma[:, :1]
    count = sigma.shape[1] if i is None else i
    new: Tensor | Sequence[None] = [None] * len(gram)
    target = torch.ones_like(ratio[:, :count])
    if i is None:
        target = new = ratio if gamma is None else torch.maximum(gamma, ratio)
    sigma, u, ratio = sigma[:, :count], u[:, :, :count], ratio[:, :count]
    v = wide.mT @ (u / sigma[:, None])
    sound = sound & (sigma[:, -1] >= RANK_DEFICIENT * sigma[:, 0])
    raised = u if i is not None else u * (target > ratio)[:, None]
    return [sigma, u[:, :, 0], raised, v, target], new, sound


def _eigh(gram: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(sigma[k, r] descending, u[k, r, r], whether G is finite and not zero: bool[k])."""
    # Scaled, and the identity for what is not sound, because eigh fails as a whole on such input.
    scale = gram.diagonal(dim1=1, dim2=2).amax(1)[:, None, None]
    sound = scale.isfinite() & (scale > 0)
    identity = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    eigenvalues, u = torch.linalg.eigh(torch.where(sound, gram / scale, identity))
    sigma = (eigenvalues.clamp(min=0) * scale.squeeze(2)).sqrt()
    return sigma.flip(1), u.flip(2), sound.flatten()


def _factor(sigma: Tensor, u: Tensor, target: Tensor, renormalise: bool) -> Tensor:
    """F that takes sigma_k to target_k sigma_1 for the first target.shape[1] of them."""
    i = target.shape[1]
    sigma1 = sigma[:, :1]
    gain = target * sigma1 / sigma[:, :i] - 1
    identity = torch.eye(u.shape[1], dtype=u.dtype, device=u.device)
    factor = identity + (u[:, :, :i] * gain[:, None]) @ u[:, :, :i].mT
    return factor / sigma1[:, :, None] if renormalise else factor
