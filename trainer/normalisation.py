"""Spectral normalization of all layers of a network at once, once per update.

An update of several parts meets the same weight in each of them. For the duration of `normalised`
the layers hold W / sigma as leaves of autograd's graph, the parts' gradients add up there, and
one pass at the end takes them through the quotient to W:

    dL/dW = G / sigma - <G, W / sigma> / sigma u v^T,   G = dL/d(W / sigma), u and v constant.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from trainer import stacks
from trainer.layers import Layer, Normalised, advance
from trainer.spectral import as_matrix
from trainer.weight_stacks import (
    WeightStack,
    advance_stacks,
    normalise_stacks,
    stack_gradients,
    stacked_by_shape,
)


def advance_all(layers: Sequence[Normalised]) -> None:
    """Takes one power iteration in every layer, on a GPU in stacks."""
    ours, own = _parted(layers)
    advance(own)
    if ours and stacks.runs_in_stacks(ours[0].weight.device):
        advance_stacks(stacked_by_shape(ours))
    else:
        advance(ours)


@contextmanager
def normalised(
    layers: Sequence[Normalised], *, advances: bool = True, shares: bool = True
) -> Iterator[None]:
    """Lets the spectrally normalised of the layers share one W / sigma for its duration.

    With `advances` every layer takes its power iteration before. A weight's gradient, if there
    is any, is set when it ends. Without `shares` layers that take a gradient normalise in every
    forward pass; those that are reparametrised always do what that says. Weights of a person's
    own network, which torch parametrizes, normalise in every pass, too.
    """
    ours, own = _parted(layers)
    if advances:
        advance(own)
    with _shared(ours, advances, shares):
        yield


def _parted(layers: Sequence[Normalised]) -> tuple[list[Layer], list[Normalised]]:
    """(layers of this project's networks, weights of a person's own)."""
    ours = [layer for layer in layers if isinstance(layer, Layer)]
    return ours, [layer for layer in layers if not isinstance(layer, Layer)]


@contextmanager
def _shared(layers: Sequence[Layer], advances: bool, shares: bool) -> Iterator[None]:
    if layers and stacks.runs_in_stacks(layers[0].weight.device):
        with _in_stacks(layers, advances, shares):
            yield
        return
    products = advance(layers) if advances else [None for _ in layers]
    pairs = zip(layers, products, strict=True)
    holder = _Held([(layer, product) for layer, product in pairs if _is_held(layer, shares)])
    try:
        yield
        holder.set_gradients()
    finally:
        _release(holder.layers)


def _is_held(layer: Layer, shares: bool) -> bool:
    return (
        layer.normalisation == "sn"
        and layer.compensation is None
        and (shares or not layer.weight.requires_grad)
    )


def _hold(layer: Layer, weight: Tensor) -> None:
    layer.normalised = weight.requires_grad_(layer.weight.requires_grad)


def _release(layers: Sequence[Layer]) -> None:
    for layer in layers:
        layer.normalised = None


class _Held:
    """Layers that share W / sigma on a CPU: bit for bit what autograd makes of each by itself."""

    @torch.no_grad()
    def __init__(self, pairs: Sequence[tuple[Layer, Tensor | None]]) -> None:
        self.layers = [layer for layer, _ in pairs]
        # u^T W v, the product W v being that of the power iteration where there was one.
        self.sigmas = [
            torch.dot(layer.u, as_matrix(layer.weight) @ layer.v if product is None else product)
            for layer, product in pairs
        ]
        if not pairs:
            return
        weights: list[Tensor] = [layer.weight.detach() for layer in self.layers]
        for layer, weight in zip(
            self.layers,
            torch._foreach_div(weights, self.sigmas),  # pyright: ignore[reportPrivateImportUsage]
            strict=True,
        ):
            _hold(layer, weight)

    @torch.no_grad()
    def set_gradients(self) -> None:
        moved = [k for k, layer in enumerate(self.layers) if _gradient(layer) is not None]
        if not moved:
            return
        layers = [self.layers[k] for k in moved]
        sigmas = [self.sigmas[k] for k in moved]
        gradients = [g for g in map(_gradient, layers) if g is not None]
        weights = [w.detach() for layer in layers if (w := layer.normalised) is not None]
        results = torch._foreach_div(gradients, sigmas)  # pyright: ignore[reportPrivateImportUsage]
        terms = torch._foreach_mul(  # pyright: ignore[reportPrivateImportUsage]
            gradients,
            torch._foreach_div(weights, sigmas),  # pyright: ignore[reportPrivateImportUsage]
        )
        for layer, result, term in zip(layers, results, terms, strict=True):
            along = torch.outer(term.sum() * layer.u, layer.v).view(result.shape)
            _set_gradient(layer, result.sub_(along))


def _gradient(layer: Layer) -> Tensor | None:
    return None if layer.normalised is None else layer.normalised.grad


def _set_gradient(layer: Layer, gradient: Tensor) -> None:
    weight = layer.weight
    if gradient.stride() != weight.stride():  # the optimiser walks both in the order of memory
        gradient = torch.empty_like(weight).copy_(gradient)
    weight.grad = gradient


@contextmanager
def _in_stacks(layers: Sequence[Layer], advances: bool, shares: bool) -> Iterator[None]:
    """The same in a few launches, whatever the number of layers."""
    groups = stacked_by_shape(layers)
    shared = [stack for stack in groups if _is_held(stack.layers[0], shares)]
    if advances:
        advance_stacks(groups)
    else:
        for stack in shared:
            stack.recall()
    for layer, weight in normalise_stacks(shared):
        _hold(layer, weight)
    holder = [layer for stack in shared for layer in stack.layers]
    try:
        yield
        _set_stack_gradients(shared)
    finally:
        _release(holder)


def _set_stack_gradients(shared: Sequence[WeightStack]) -> None:
    moved, gradients = [], []
    for stack in shared:
        row = [_gradient(layer) for layer in stack.layers]
        if all(gradient is None for gradient in row):
            continue
        moved.append(stack)
        gradients.append(
            [
                torch.zeros_like(layer.weight) if gradient is None else gradient
                for layer, gradient in zip(stack.layers, row, strict=True)
            ]
        )
    if moved:
        for layer, gradient in stack_gradients(moved, gradients):
            _set_gradient(layer, gradient)
