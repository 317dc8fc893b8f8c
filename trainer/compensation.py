"""Compensation by a method's rule, of one weight or of a stack: what the trainer's projection and
the regularization of a foreign discriminator have in common."""

from __future__ import annotations

import torch
from torch import Tensor

from trainer import stacks
from trainer.config.methods import Method
from trainer.spectral import as_matrix, compensate, compensate_dynamic, lifted_count, restore


def lifted(i_ratio: float | None, weight: Tensor) -> int:
    """i of a weight: 1, which lifts nothing, for methods without an i_ratio."""
    return 1 if i_ratio is None else lifted_count(i_ratio, weight)


def floor_gamma(floor: float | None, shape: tuple[int, ...], device: torch.device) -> Tensor:
    """A gamma of dynamic compensation that never rises: the floor of every sigma_k / sigma_1."""
    assert floor is not None
    return torch.full(shape, floor, dtype=torch.float64, device=device)


def compensated(
    method: Method,
    weight: Tensor,
    memory: Tensor | None,
    *,
    i_ratio: float | None,
    floor: float | None,
) -> tuple[Tensor, Tensor | None]:
    """(the weight [out, ...] as the method projects it, what its next call is to remember).

    `memory` is gamma[r] of dynamic compensation, or the first sigma[r] of `sr-iso`, in float64,
    and None before the first call and for every other method.
    """
    if method.compensation == "dynamic":
        return compensate_dynamic(weight, memory, renormalise=method.renormalises)
    if method.compensation == "first":
        return restore(weight, memory)
    if method.compensation == "floor":
        gamma = floor_gamma(floor, (min(as_matrix(weight).shape),), weight.device)
        return compensate_dynamic(weight, gamma, renormalise=method.renormalises)[0], None
    return compensate(weight, lifted(i_ratio, weight), renormalise=method.renormalises), None


def solved_stack(
    kind: str | None,
    gram: Tensor,
    memory: Tensor | None,
    *,
    i: int,
    floor: float | None,
    renormalise: bool,
) -> stacks.Solved:
    """(F[n, r, r], what the next call is to remember, soundness[n]) of a stack gram[n, r, r].

    As `compensated` does one by one; `kind` is a method's compensation. Any but `dynamic`, `first`
    and `floor` lifts i singular values and remembers the projector on them, from which a subspace
    iteration can go on.
    """
    if kind == "dynamic":
        return stacks.lift_dynamic(gram, memory, renormalise=renormalise)
    if kind == "first":
        return stacks.restore(gram, memory)
    if kind == "floor":
        gamma = floor_gamma(floor, tuple(gram.shape[:2]), gram.device)
        factor, _, sound = stacks.lift_dynamic(gram, gamma, renormalise=renormalise)
        return factor, [None] * len(gram), sound
    return stacks.lift(gram, i, renormalise=renormalise)
