"""How precisely float32 products are taken on a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def without_tf32() -> Iterator[None]:
    """Float32 products and convolutions with all of their 24 bits, where TF32 would keep 11."""
    # These, not allow_tf32: its getter raises once anyone has set the precision by these.
    # Torch makes `conv` at run time, where a type checker does not see it.
    conv = torch.backends.cudnn.conv  # pyright: ignore[reportAttributeAccessIssue]
    backends = (torch.backends.cuda.matmul, conv)
    before = [backend.fp32_precision for backend in backends]
    try:
        for backend in backends:
            backend.fp32_precision = "ieee"
        yield
    finally:
        for backend, precision in zip(backends, before, strict=True):
            backend.fp32_precision = precision
