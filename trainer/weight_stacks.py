"""Weights of one shape as one stack: their power iteration, and W / sigma with its gradient.

A GPU is told what to do for the stack, in as many launches as for one weight. A convolution's
stack keeps the channels innermost, as its weights have them: columns are then in the order
(kh, kw, in), while a layer's v has them as (in, kh, kw).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import torch
from torch import Tensor

from trainer.layers import Layer

EPS = 1e-12


class WeightStack:
    """Layers of one shape and normalisation with `weights` [k, out, (kh, kw,) in], `u` [k, out]
    and `v` [k, columns], its columns in the order of `weights`."""

    v: Tensor
    sigma: Tensor
    quotients: Tensor

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = layers
        self.weights = _stack([_inner(layer.weight.detach()) for layer in layers])
        self.u = _stack([layer.u for layer in layers])

    @property
    def matrices(self) -> Tensor:
        """[k, out, columns]"""
        return self.weights.flatten(2)

    def ordered_v(self) -> Tensor:
        """v [k, columns] with the columns as a layer has them."""
        if self.weights.dim() == 3:
            return self.v
        spatial = self.v.unflatten(1, self.weights.shape[2:])
        return spatial.permute(0, 3, 1, 2).contiguous().view_as(self.v)

    def recall(self) -> None:
        """Takes v and sigma = u^T W v from the layers as they stand, without an iteration."""
        v = _stack([layer.v for layer in self.layers])
        if self.weights.dim() > 3:
            _, _, height, width, channels = self.weights.shape
            v = v.view(-1, channels, height, width).permute(0, 2, 3, 1).flatten(1)
        self.v = v
        self.sigma = torch.bmm(self.u[:, None], products(self.matrices, v)[:, :, None]).flatten()

    def per_weight(self, values: Tensor) -> Tensor:
        """values [k] in a shape that goes with `weights`."""
        return values.view(-1, *(1 for _ in self.weights.shape[1:]))


@torch.no_grad()
def advance_stacks(groups: Sequence[WeightStack]) -> None:
    """Takes one power iteration in every layer of the stacks, as `layers.advance` does."""
    directions = [products(stack.matrices.mT, stack.u) for stack in groups]
    _, lengths = _norms(directions)
    for stack, direction, length in zip(groups, directions, lengths, strict=True):
        stack.v = direction / length[:, None]
    images = [products(stack.matrices, stack.v) for stack in groups]
    # sigma = u^T W v is the norm of W v, u being its direction.
    for stack, image, sigma, length in zip(groups, images, *_norms(images), strict=True):
        stack.sigma, stack.u = sigma, image / length[:, None]
    us = [pair for s in groups for pair in zip([x.u for x in s.layers], s.u, strict=True)]
    vs = [
        pair for s in groups for pair in zip([x.v for x in s.layers], s.ordered_v(), strict=True)
    ]
    buffers, moved = zip(*us, *vs, strict=True)
    torch._foreach_copy_(buffers, moved)  # pyright: ignore[reportPrivateImportUsage]


@torch.no_grad()
def normalise_stacks(groups: Sequence[WeightStack]) -> list[tuple[Layer, Tensor]]:
    """(layer, its W / sigma in the layout of its weight) of all layers of the stacks."""
    normalised = []
    for stack in groups:
        stack.quotients = stack.weights / stack.per_weight(stack.sigma)
        normalised += zip(stack.layers, map(_outer, stack.quotients), strict=True)
    return normalised


@torch.no_grad()
def stack_gradients(
    groups: Sequence[WeightStack], gradients: Sequence[Sequence[Tensor]]
) -> list[tuple[Layer, Tensor]]:
    """(layer, dL/dW) of all layers of the stacks, from the gradients in each one's W / sigma."""
    stacked = [_stack([_inner(gradient) for gradient in row]) for row in gradients]
    terms = torch._foreach_mul(stacked, [stack.quotients for stack in groups])  # pyright: ignore[reportPrivateImportUsage]
    results = []
    for stack, gradient, term in zip(groups, stacked, terms, strict=True):
        u = stack.u * term.flatten(1).sum(1)[:, None]
        matrices = torch.baddbmm(gradient.flatten(2), u[:, :, None], stack.v[:, None], alpha=-1)
        result = matrices.view_as(gradient) / stack.per_weight(stack.sigma)
        results += zip(stack.layers, map(_outer, result), strict=True)
    return results


def stacked_by_shape(layers: Sequence[Layer]) -> list[WeightStack]:
    """The layers in stacks of equal shape, normalisation and reparametrisation."""
    members_by_kind: dict[Hashable, list[Layer]] = {}
    for layer in layers:
        kind = layer.weight.shape, layer.normalisation, layer.compensation is None
        members_by_kind.setdefault(kind, []).append(layer)
    return [WeightStack(members) for members in members_by_kind.values()]


def products(matrices: Tensor, vectors: Tensor) -> Tensor:
    """[k, m] of matrices[k, m, n] and vectors[k, n]."""
    return torch.bmm(matrices, vectors[:, :, None]).squeeze(2)


def _norms(stacked: Sequence[Tensor]) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    """The norms [k] of the rows of each stack[k, n], all taken together; and at least EPS."""
    rows = [row for stack in stacked for row in stack]
    norms = torch.stack(torch._foreach_norm(rows))  # pyright: ignore[reportPrivateImportUsage]
    sizes = [len(stack) for stack in stacked]
    return norms.split(sizes), norms.clamp_min(EPS).split(sizes)


def _stack(tensors: Sequence[Tensor]) -> Tensor:
    """[k, ...]; of a single tensor a view, as nothing writes into a stack."""
    return tensors[0][None] if len(tensors) == 1 else torch.stack(list(tensors))


def _inner(weight: Tensor) -> Tensor:
    """[out, kh, kw, in] of a convolution's weight, a view; others as they are."""
    return weight.permute(0, 2, 3, 1) if weight.dim() == 4 else weight


def _outer(weight: Tensor) -> Tensor:
    """The inverse of `_inner`."""
    return weight.permute(0, 3, 1, 2) if weight.dim() == 4 else weight
