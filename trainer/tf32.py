"""TF32, a GPU's ten bits for products of float32 numbers: off unless it is asked for.

By itself torch has it on in cuDNN's convolutions and off in matrix products.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch


def use_tf32(on: bool) -> None:
    """Turns TF32 on or off in this process, so that both of torch's interfaces say the same."""
    # By the older one first: without it, torch's getters raise for whoever asks them.
    torch.set_float32_matmul_precision("high" if on else "highest")
    torch.backends.cudnn.allow_tf32 = on
    # That leaves convolutions to what `torch.backends.fp32_precision` says, which may be TF32.
    for kernel in _cudnn():
        kernel.fp32_precision = "tf32" if on else "ieee"


def is_on() -> bool:
    """True if any product of float32 numbers on a GPU may be taken in TF32."""
    return any(kernel.fp32_precision == "tf32" for kernel in _kernels())


@contextmanager
def tf32(on: bool) -> Iterator[None]:
    """Turns TF32 on or off for a while."""
    if on == is_on():
        yield
        return
    restore = _restorer()
    try:
        use_tf32(on)
        yield
    finally:
        restore()


@contextmanager
def without_tf32() -> Iterator[None]:
    """Turns TF32 off for a while: its ten bits are too few for second derivatives, singular values
    and scores that are compared."""
    with tf32(False):
        yield


def _cudnn() -> tuple[Any, ...]:
    # Torch makes these at run time, where a type checker does not see them.
    cudnn = torch.backends.cudnn
    return cudnn.conv, cudnn.rnn  # pyright: ignore[reportAttributeAccessIssue]


def _kernels() -> tuple[Any, ...]:
    return torch.backends.cuda.matmul, *_cudnn()


def _restorer() -> Callable[[], None]:
    """What puts the present settings back, those of others who use one interface alone too."""
    before = [(kernel, kernel.fp32_precision) for kernel in _all()]
    matmul, cudnn = _older(torch.get_float32_matmul_precision), _older(_allow_tf32)

    def restore() -> None:
        if matmul is not None:
            torch.set_float32_matmul_precision(matmul)
        if cudnn is not None:
            torch.backends.cudnn.allow_tf32 = cudnn
        for kernel, precision in before:
            kernel.fp32_precision = precision

    return restore


def _all() -> tuple[Any, ...]:
    # `set_float32_matmul_precision` is about the CPU's matrix products, too.
    return torch.backends.mkldnn.matmul, *_kernels()  # pyright: ignore[reportAttributeAccessIssue]


def _allow_tf32() -> bool:
    return torch.backends.cudnn.allow_tf32


def _older(getter: Callable[[], Any]) -> Any:
    """What the older interface says, or None: it raises where the newer one was used alone."""
    try:
        return getter()
    except RuntimeError:
        return None
