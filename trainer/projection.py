"""Compensation of D's spectra in a run: when it is due, and on which layers.

Form `project` overwrites the weights, form `reparam` lets one update see W_SR in their place.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from trainer.config import TrialConfig
from trainer.methods import METHODS
from trainer.spectral import (
    compensate,
    compensate_dynamic,
    dynamic_compensation,
    lifted_count,
    spectral_norm,
    static_compensation,
)
from trainer.state import TrainState


def is_due(config: TrialConfig, iteration: int, k: int) -> bool:
    """Released: after every D update of each fifth iteration. Spread: after every fifth update."""
    if config.projection_period is None:
        return False
    if config.projection_burst:
        return iteration % config.projection_period == 0
    return (iteration * config.n_critic + k) % config.projection_period == 0


@torch.no_grad()
def project(config: TrialConfig, state: TrainState) -> None:
    """Overwrites the weights of D's regularised layers; its last layer is left alone."""
    method = METHODS[config.method]
    for k, layer in enumerate(state.discriminator.regularised_layers()):
        if method.compensation == "dynamic":
            weight, state.gamma[k] = compensate_dynamic(
                layer.weight, state.gamma[k], renormalise=method.renormalises
            )
        else:
            i = 1 if config.i_ratio is None else lifted_count(config.i_ratio, layer.weight)
            weight = compensate(layer.weight, i, renormalise=method.renormalises)
        layer.weight.copy_(weight)


@contextmanager
def reparametrised(config: TrialConfig, state: TrainState, on: bool) -> Iterator[None]:
    """For its duration D's regularised layers use W_SR, Eq. (10), where `on`."""
    layers = state.discriminator.regularised_layers() if on else ()
    for k, layer in enumerate(layers):
        if config.i_ratio is not None:
            i = lifted_count(config.i_ratio, layer.weight)
            layer.compensation = static_compensation(layer.weight, i)
        else:
            layer.compensation, state.gamma[k] = dynamic_compensation(layer.weight, state.gamma[k])
    try:
        yield
    finally:
        for layer in layers:
            layer.compensation = None


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
