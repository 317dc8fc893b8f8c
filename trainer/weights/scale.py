"""The scale of a discriminator's logits, measured by its own forward pass and left as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from trainer.config.lookup import UsageError

Logits = Callable[[Any], Tensor]


def first_tensor(output: Any) -> Tensor:
    """The output itself, or the first floating-point tensor in it."""
    for value in tree_leaves(output):
        if isinstance(value, Tensor) and value.is_floating_point():
            return value
    raise UsageError(f"the output, a {type(output).__name__}, has no logits: name them by logits=")


@contextmanager
def undisturbed(network: nn.Module) -> Iterator[None]:
    """Puts the network's buffers and the random numbers back at its end; no gradients inside."""
    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
    devices = {t.device.index for t in network.parameters() if t.device.type == "cuda"}
    with torch.random.fork_rng(sorted(d for d in devices if d is not None)), torch.no_grad():
        try:
            yield
        finally:
            for buffer, before in buffers:
                buffer.copy_(before)


def spread(logits: Tensor) -> float:
    """The standard deviation of the logits, or the size of a single one."""
    values = logits.detach().double().flatten()
    return float(values.std() if len(values) > 1 else values.abs().sum())


def repeatable(network: nn.Module, call: Callable[[], Any]) -> Callable[[], Any]:
    """The call in the mixed precision that is on now, whenever it is made again."""
    device = next((p.device.type for p in network.parameters()), "cpu")
    is_enabled, dtype = torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)

    def again() -> Any:
        with torch.autocast(device, dtype=dtype, enabled=is_enabled):
            return call()

    return again
