"""Where a trial computes in less than float32: in its training's forward and backward passes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch

from trainer.config.trial import TrialConfig
from trainer.tf32 import tf32


def training_pass(config: TrialConfig) -> AbstractContextManager[None]:
    """TF32 for a training forward and backward where the configuration says so; else without.

    Whatever else a trial computes stays outside: power iterations, projections, penalties of the
    weights, evaluations.
    """
    return tf32(config.precision == "tf32")


@contextmanager
def mixed_precision(config: TrialConfig) -> Iterator[None]:
    """bf16 convolutions and matrix products where the configuration says so; else nothing."""
    with torch.autocast(config.device_type, torch.bfloat16, enabled=config.precision == "bf16"):
        yield
