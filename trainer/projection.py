"""Compensation of D's spectra in a run: when it is due, and on which layers.

Form `project` overwrites the weights, form `reparam` lets one update see W_SR in their place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from trainer import stacks, subspace
from trainer.compensation import compensated, lifted, solved_stack
from trainer.config.methods import METHODS
from trainer.config.trial import TrialConfig
from trainer.spectral import (
    dynamic_compensation,
    lifted_count,
    like_weight,
    spectral_norm,
    stacked_compensation,
    static_compensation,
    wide_matrix,
)
from trainer.stacks import first, in_stacks, padded
from trainer.state import TrainState
from trainer.tf32 import without_tf32

# Up to this side a GPU's product takes no longer than its launch (not measured).
SMALL = 128


def is_due(config: TrialConfig, iteration: int, k: int) -> bool:
    """True after every D update of each fifth iteration (released), or every fifth D update."""
    if config.projection_period is None:
        return False
    if config.projection_burst:
        return iteration % config.projection_period == 0
    return (iteration * config.n_critic + k) % config.projection_period == 0


@torch.no_grad()
def project(config: TrialConfig, state: TrainState) -> None:
    """Overwrites the weights of D's regularised layers; its last layer is left alone."""
    layers = state.discriminator.regularised_layers()
    if layers and stacks.runs_in_stacks(layers[0].weight.device):
        project_in_stacks(config, state, range(len(layers)))
    else:
        for k in range(len(layers)):
            project_one(config, state, k)


def project_one(config: TrialConfig, state: TrainState, k: int) -> None:
    weight = state.discriminator.regularised_layers()[k].weight
    projected, state.gamma[k] = compensated(
        METHODS[config.method],
        weight,
        state.gamma[k],
        i_ratio=config.i_ratio,
        floor=config.spectral_floor,
    )
    weight.copy_(projected)


class _Task(NamedTuple):
    """How a layer is projected: weights of one task can share a stack. `i` where it matters."""

    solver: Literal["dynamic", "first", "floor", "divide", "eigh", "subspace"]
    i: int
    renormalise: bool

    @property
    def dtype(self) -> torch.dtype:
        return torch.float32 if self.solver == "subspace" else torch.float64


def _task(config: TrialConfig, state: TrainState, k: int, weight: Tensor) -> _Task:
    method = METHODS[config.method]
    if method.compensation in ("dynamic", "first", "floor"):
        return _Task(method.compensation, 0, method.renormalises)
    i = lifted(config.i_ratio, weight)
    if i == 1:
        return _Task("divide", i, method.renormalises)
    if state.leading[k] is None:
        return _Task("eigh", i, method.renormalises)
    return _Task("subspace", 0, method.renormalises)


def project_in_stacks(config: TrialConfig, state: TrainState, indices: Sequence[int]) -> None:
    """Static compensation goes on from the projectors of the last call, and starts by eigh.

    The host waits once, to read which of the chosen layers came out sound. Those that did not
    start anew, and what eigh cannot do either is done one by one. (eigh waits for the device too.)
    """
    layers = state.discriminator.regularised_layers()
    weights = [layers[k].weight for k in indices]
    remembers = METHODS[config.method].compensation in ("dynamic", "first")
    memory = state.gamma if remembers else state.leading
    tasks = [_task(config, state, k, layers[k].weight) for k in indices]
    wides = [wide_matrix(weight) for weight in weights]
    with without_tf32():
        grams = [gram for (gram,) in in_stacks(_grams, tasks, wides)]
        solved = _solve_all(config, tasks, grams, [memory[k] for k in indices])
        projected = in_stacks(_products, tasks, [factor for factor, _, _ in solved], wides)
    restarted = []
    sound = torch.stack([flag for _, _, flag in solved]).tolist()
    for n, k in enumerate(indices):
        if sound[n]:
            weights[n].copy_(like_weight(projected[n][0], weights[n]))
            memory[k] = solved[n][1]
            continue
        state.leading[k] = None
        if tasks[n].solver == "subspace":
            restarted.append(k)
        else:
            project_one(config, state, k)
    if restarted:
        project_in_stacks(config, state, restarted)


def _solve_all(
    config: TrialConfig,
    tasks: Sequence[_Task],
    grams: Sequence[Tensor],
    memory: Sequence[Tensor | None],
) -> list[tuple[Tensor, Tensor | None, Tensor]]:
    """(F[r, r], what to remember, whether F is sound) of each layer.

    Small layers that go on from a projector share one stack: a launch costs more than the zeros.
    """
    largest = max(map(len, grams))
    rows = []
    for task, gram, remembered in zip(tasks, grams, memory, strict=True):
        if task.solver == "subspace":
            assert remembered is not None
            side = min(largest, max(len(gram), SMALL))
            rows.append((task, padded(gram, side), padded(remembered, side)))
        else:
            rows.append((task, gram, remembered))
    solved = in_stacks(partial(_solve, config), *zip(*rows, strict=True))
    return [
        (first(factor, len(gram)), None if memo is None else first(memo, len(gram)), sound)
        for gram, (factor, memo, sound) in zip(grams, solved, strict=True)
    ]


def _grams(task: _Task, wide: Tensor) -> tuple[Tensor]:
    wide = wide.to(task.dtype)
    return (wide @ wide.mT,)


def _solve(
    config: TrialConfig, task: _Task, gram: Tensor, remembered: Tensor | None
) -> stacks.Solved:
    if task.solver == "divide":
        return stacks.divide(gram, renormalise=task.renormalise)
    if task.solver == "subspace":
        assert remembered is not None
        return subspace.lift(gram, remembered, renormalise=task.renormalise)
    return solved_stack(
        task.solver,
        gram,
        remembered,
        i=task.i,
        floor=config.spectral_floor,
        renormalise=task.renormalise,
    )


def _products(task: _Task, factor: Tensor, wide: Tensor) -> tuple[Tensor]:
    return (factor @ wide.to(task.dtype),)


@contextmanager
def reparametrised(config: TrialConfig, state: TrainState, on: bool) -> Iterator[None]:
    """Lets D's regularised layers use W_SR, Eq. (10), for its duration, where `on`."""
    layers = state.discriminator.regularised_layers() if on else ()
    by_one: Iterable[int] = range(len(layers))
    if layers and stacks.runs_in_stacks(layers[0].weight.device):
        by_one = _reparametrise_in_stacks(config, state)
    for k in by_one:
        _reparametrise_one(config, state, k)
    try:
        yield
    finally:
        for layer in layers:
            layer.compensation = None


def _reparametrise_one(config: TrialConfig, state: TrainState, k: int) -> None:
    layer = state.discriminator.regularised_layers()[k]
    if config.i_ratio is not None:
        i = lifted_count(config.i_ratio, layer.weight)
        layer.compensation = static_compensation(layer.weight, i)
    else:
        layer.compensation, state.gamma[k] = dynamic_compensation(layer.weight, state.gamma[k])


@torch.no_grad()
def _reparametrise_in_stacks(config: TrialConfig, state: TrainState) -> list[int]:
    """Sets the constants of Eq. (10) of all layers; returns those of which they are not sound.

    Nothing goes on from the call before: W itself is never projected, so that its singular values
    have no gap (see trainer.subspace). The host waits once, to read which are sound.
    """
    layers = state.discriminator.regularised_layers()
    weights = [layer.weight for layer in layers]
    ratio = config.i_ratio
    counts = [None if ratio is None else lifted_count(ratio, weight) for weight in weights]
    solved = in_stacks(
        _constants, counts, [wide_matrix(weight) for weight in weights], state.gamma
    )
    sound = torch.stack([row[-1] for row in solved]).tolist()
    for k, (layer, (*values, gamma, _)) in enumerate(zip(layers, solved, strict=True)):
        if sound[k]:
            layer.compensation = stacked_compensation(layer.weight, counts[k], *values)
            state.gamma[k] = gamma
    return [k for k in range(len(layers)) if not sound[k]]


def _constants(
    i: int | None, wide: Tensor, gamma: Tensor | None
) -> tuple[Tensor | Sequence[None], ...]:
    wide = wide.double()
    values, new, sound = stacks.constants(wide @ wide.mT, wide, gamma, i=i)
    # Cast as stacks, not layer by layer; gamma is kept as it is.
    return *(value.float() for value in values), new, sound


def stable_ranks(state: TrainState) -> Tensor:
    """||W||_F^2 / sigma^2 [layers] with the power iteration's sigma, on the device, no waiting."""
    layers = state.discriminator.regularised_layers()
    if not layers:
        return torch.zeros(0)
    with torch.no_grad():
        return torch.stack(
            [
                layer.weight.square().sum()
                / spectral_norm(layer.weight, layer.u, layer.v).square()
                for layer in layers
            ]
        )
