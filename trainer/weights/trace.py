"""One traced forward pass: the tensors that a network multiplies its input by, and their sources.

A tensor is *fixed* if parameters and buffers alone made it, and an input if anything else did, so
that the products within spectral normalization (u^T W v) are none of a weight with an input.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from trainer.weights.layouts import Layout
from trainer.weights.products import Operand, operands


@dataclass(frozen=True, slots=True, eq=False)
class Use:
    """A product of the input with `applied`, made from the parameters and buffers `sources`."""

    applied: Tensor
    layout: Layout
    kind: str
    sources: frozenset[str]
    operations: int
    has_gradient: bool


@dataclass(slots=True)
class Trace:
    """All products in order. `heads` are indices of the last ones on the way to an output, by the
    output tensor's place in the flattened output; `mixed` names parameters that became part of a
    weight together with the input."""

    uses: list[Use] = field(default_factory=list)
    heads: list[frozenset[int]] = field(default_factory=list)
    mixed: set[str] = field(default_factory=set)
    gradients: bool = True


def trace(network: nn.Module, call: Callable[[], Any]) -> tuple[Any, Trace]:
    """(what `call` returns, the trace of the products that it made with `network`'s weights)."""
    with eagerly(), Tracer(network) as tracer:
        output = call()
    return output, tracer.finish(output)


@contextmanager
def eagerly() -> Iterator[None]:
    """Runs compiled functions as they are written; without dynamo, which takes seconds to import,
    there is none."""
    if "torch._dynamo" not in sys.modules:
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield


class Tracer(TorchFunctionMode):
    """Sees every function of torch that Python calls while it is entered."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.trace = Trace(gradients=torch.is_grad_enabled())
        self.sources: Any = WeakIdKeyDictionary()
        self.passed: Any = WeakIdKeyDictionary()
        for name, tensor in (*network.named_parameters(), *network.named_buffers()):
            self.sources[tensor] = frozenset([name])

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        inputs = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        fixed = [self._origin(x) for x in inputs]
        weights = list(operands(func, args, kwargs)) if inputs else []
        output = func(*args, **kwargs)
        if not inputs:
            return output
        outputs = [x for x in tree_leaves(output) if isinstance(x, Tensor)]
        if None not in fixed:
            sources = frozenset().union(*(x for x in fixed if x is not None))
            self.sources.update((tensor, sources) for tensor in outputs)
        uses = frozenset(
            k for weight in weights if (k := self._use(weight, inputs, outputs)) is not None
        )
        if None in fixed:
            heads = uses or frozenset().union(*(self.passed.get(x, ()) for x in inputs))
            for tensor in outputs:
                self.sources.pop(tensor, None)
                self.passed[tensor] = heads
        return output

    def _origin(self, tensor: Tensor) -> frozenset[str] | None:
        """Names of the parameters and buffers of a fixed tensor; None for an input."""
        names = self.sources.get(tensor)
        if names is None and tensor.dim() == 0 and tensor not in self.passed:
            return frozenset()  # a constant, such as the scale of an equalised rate
        return names

    def _use(self, weight: Operand, inputs: list[Tensor], outputs: list[Tensor]) -> int | None:
        sources = self.sources.get(weight.tensor)
        other_inputs = [x for x in inputs if x is not weight.tensor and self._origin(x) is None]
        if sources is None:
            if weight.is_surely and weight.layout.shape[1:]:
                self.trace.mixed.update(self._parents(weight.tensor))
            return None
        # A convolution of a learned constant is one all the same.
        if not other_inputs and not (weight.is_surely and weight.kind.startswith("conv")):
            return None
        columns = weight.layout.sizes[2]
        self.trace.uses.append(
            Use(
                applied=weight.tensor.detach(),
                layout=weight.layout,
                kind=weight.kind,
                sources=sources,
                operations=2 * columns * max((x.numel() for x in outputs), default=0),
                has_gradient=weight.tensor.requires_grad,
            )
        )
        return len(self.trace.uses) - 1

    def _parents(self, tensor: Tensor) -> set[str]:
        """Names of the parameters of four or more axes from which a tensor was computed."""
        nodes, seen_nodes, names = [tensor.grad_fn], set(), set()
        while nodes and len(seen_nodes) < 64:
            node = nodes.pop(0)
            if node is None or node in seen_nodes:
                continue
            seen_nodes.add(node)
            leaf = getattr(node, "variable", None)
            if leaf is not None and leaf.dim() >= 4:
                names |= self.sources.get(leaf, frozenset())
            nodes += [parent for parent, _ in node.next_functions]
        return names

    def finish(self, output: Any) -> Trace:
        """The trace, with the heads of the output's tensors; empties the tables."""
        tensors = [x for x in tree_leaves(output) if isinstance(x, Tensor)]
        self.trace.heads = [frozenset(self.passed.get(x, ())) for x in tensors]
        self.sources.clear()
        self.passed.clear()
        return self.trace
