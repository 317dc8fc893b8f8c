"""Tracing the next forward pass that somebody's loop makes, without taking part in any other."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from torch import nn

from trainer.weights.trace import Trace, Tracer, eagerly

Receiver = Callable[[Trace, tuple[Any, ...], dict[str, Any]], None]


def unwrapped(network: nn.Module) -> nn.Module:
    """The network inside of DistributedDataParallel, DataParallel and torch.compile."""
    while True:
        if isinstance(inner := getattr(network, "_orig_mod", None), nn.Module):
            network = inner
        elif isinstance(network, nn.DataParallel | nn.parallel.DistributedDataParallel):
            network = network.module
        else:
            return network


class Trap:
    """Traces the first forward pass in training mode, with gradients and a weight to train, and
    passes the trace and the call's arguments to `receive`.

    The pass is the one that the loop makes anyway, run eagerly where it is compiled. The hooks are
    gone when it ends, or at `remove`.
    """

    def __init__(self, network: nn.Module, receive: Receiver) -> None:
        self.network, self.core, self.receive = network, unwrapped(network), receive
        self.tracer: Tracer | None = None
        self.stack = ExitStack()
        self.arguments: tuple[tuple[Any, ...], dict[str, Any]] = ((), {})
        # `module.compile()` leads calls past hooks, into the compiled function.
        self.compiled = getattr(network, "_compiled_call_impl", None)
        self.hooks: list[Any] = []
        if self.compiled is not None:
            network._compiled_call_impl = self._call
        else:
            self.hooks = [
                network.register_forward_pre_hook(self._begin, with_kwargs=True),
                network.register_forward_hook(self._end, always_call=True),
            ]

    def is_due(self) -> bool:
        is_trained = any(parameter.requires_grad for parameter in self.core.parameters())
        is_pass = self.core.training and torch.is_grad_enabled() and is_trained
        return is_pass and self.tracer is None

    def remove(self) -> None:
        if self.compiled is not None:
            self.network._compiled_call_impl = self.compiled
        for hook in self.hooks:
            hook.remove()

    def _begin(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if self.is_due():
            self.arguments = (args, kwargs)
            self.stack.enter_context(eagerly())
            self.tracer = self.stack.enter_context(Tracer(self.core))

    def _end(self, _: nn.Module, __: Any, output: Any) -> None:
        tracer, self.tracer = self.tracer, None
        if tracer is None:
            return
        self.stack.close()
        if output is not None:
            self.remove()
            self.receive(tracer.finish(output), *self.arguments)
        self.arguments = ((), {})

    def _call(self, *args: Any, **kwargs: Any) -> Any:
        if not self.is_due():
            return self.compiled(*args, **kwargs)  # type: ignore[misc]
        output = None
        self._begin(self.network, args, kwargs)
        try:
            output = self.network._call_impl(*args, **kwargs)
        finally:
            self._end(self.network, args, output)
        return output
