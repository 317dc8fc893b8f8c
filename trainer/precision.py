"""Where a trial computes in less than float32: in its training's forward and backward passes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch

from trainer.config.trial import TrialConfig
from trainer.layers import narrowed
from trainer.tf32 import tf32


def training_pass(config: TrialConfig) -> AbstractContextManager[None]:
    """TF32 for a training forward and backward where the configuration says so; else without.

    Whatever else a trial computes stays outside: power iterations, projections, penalties of the
    weights, evaluations.
    """
    return tf32(config.precision == "tf32")


@contextmanager
def mixed_precision(config: TrialConfig, *networks: Any) -> Iterator[None]:
    """Lets the networks compute in bf16 where the configuration says so, else nothing.

    Of images every activation is then bf16, up to D's last layer, which stays in float32.
    Networks of points, and a person's own, are plain modules: torch's autocast is enough for them.
    """
    if config.precision != "bf16":
        yield
    elif config.resolution is None or config.networks is not None:
        with torch.autocast(config.device_type, torch.bfloat16):
            yield
    else:
        layers = [layer for network in networks for layer in network.narrow_layers()]
        with narrowed(layers, torch.bfloat16):
            yield
