"""An exponential moving average of G's weights, which is scored beside G itself.

    w_ema <- d_t w_ema + (1 - d_t) w   after iteration t,   d_t = min(0.999, (1 + t) / (10 + t))

The decay grows up to 0.999 as TensorFlow's ExponentialMovingAverage has it (`num_updates`): with
0.999 from the start more than a third of the average of a run of 1,000 iterations would be its
first weights. Averaged are parameters alone; the running figures of batch normalisation and the
singular vectors of spectral normalization, G's buffers, are those of G as it is. Nothing of it
goes back into the training.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call

DECAY = 0.999

# Parameters of G by name.
Weights = Mapping[str, Tensor]


def decay(iteration: int) -> float:
    """d_t of the update after iteration t, counted from 1."""
    return min(DECAY, (1 + iteration) / (10 + iteration))


def weights_of(generator: nn.Module) -> Weights:
    """A copy of G's weights, at which the average starts."""
    return {name: weight.detach().clone() for name, weight in generator.named_parameters()}


@torch.no_grad()
def update(ema: Weights, generator: nn.Module, iteration: int) -> None:
    """Moves the average towards G's weights, in place."""
    weights: list[Tensor] = [*generator.parameters()]
    step = 1 - decay(iteration)
    torch._foreach_lerp_([*ema.values()], weights, step)  # pyright: ignore[reportPrivateImportUsage]


def generate(generator: nn.Module, ema: Weights, z: Tensor, labels: Tensor | None) -> Tensor:
    """G(z) with the averaged weights; G is left as it is, its buffers too where it evaluates."""
    return functional_call(generator, dict(ema), (z, labels))
