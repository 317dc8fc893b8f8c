"""Precision of a device's products of float32 numbers, and where bf16 is used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from trainer.config.trial import TrialConfig


def use_precision(config: TrialConfig) -> None:
    """Turns TF32 on where the configuration says so, else off: torch's default has it in
    convolutions on a GPU."""
    use_tf32(config.precision == "tf32")


def use_tf32(on: bool) -> None:
    for kernel in _kernels():
        kernel.fp32_precision = "tf32" if on else "ieee"


@contextmanager
def without_tf32() -> Iterator[None]:
    """Turns TF32 off for a while: its ten bits are too few for second derivatives and for scores
    that are compared."""
    kernels = _kernels()
    before = [kernel.fp32_precision for kernel in kernels]
    try:
        use_tf32(False)
        yield
    finally:
        for kernel, precision in zip(kernels, before, strict=True):
            kernel.fp32_precision = precision


@contextmanager
def mixed_precision(config: TrialConfig) -> Iterator[None]:
    """bf16 convolutions and matrix products where the configuration says so; else nothing."""
    with torch.autocast(config.device_type, torch.bfloat16, enabled=config.precision == "bf16"):
        yield


def _kernels() -> tuple[Any, ...]:
    # These, not allow_tf32: its getter raises once anyone has set the precision by these.
    # Torch makes `conv` at run time, where a type checker does not see it.
    conv = torch.backends.cudnn.conv  # pyright: ignore[reportAttributeAccessIssue]
    return torch.backends.cuda.matmul, conv
