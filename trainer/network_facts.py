"""Facts of a person's own networks, found before any work: layers, shapes, costs, memory.

Shapes are checked on real tensors, and costs counted on fake ones: operators as torch runs them,
multiply-adds by its counter, and the bytes that autograd keeps. Nothing here assumes a network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from trainer.config.entry import first_line, imported_function
from trainer.config.lookup import UsageError
from trainer.config.own_code import NetworkFacts, NetworkSizes
from trainer.own_networks import (
    TRACED_IMAGES,
    OwnDiscriminator,
    OwnGenerator,
    built,
    is_regularised,
    traced_batch,
)
from trainer.randomness import seed_torch

Inputs = tuple[Tensor, Tensor | None]


@lru_cache(maxsize=256)
def network_facts(entry: str, sizes: NetworkSizes) -> NetworkFacts:
    """Builds the networks of an import path, runs them once, and measures them.

    Raises UsageError, in a line, for networks that cannot be built or run, and for outputs that
    are no images and no [B] or [B, 1].
    """
    with torch.random.fork_rng(devices=[]):
        seed_torch(0, 0, "facts of networks")
        g, d = built(entry, imported_function(entry), sizes)
        z, x, labels = traced_batch(sizes)
        unreached = _run(entry, sizes, g, d, z, labels)
        # Normalised weights are kept once, and not for each image.
        costs = (_cost(g, (z, labels)), _cost(d, (x, labels)))
        d.track("sn", x, labels)
        operators = (costs[0].operators, _cost(d, (x, labels)).operators)
    regularised = [layer for layer in d.layers if is_regularised(layer)]
    return NetworkFacts(
        layers=tuple(layer.name for layer in regularised),
        ranks=tuple(layer.layout.r for layer in regularised),
        voting=tuple(k for k, layer in enumerate(regularised) if layer.votes),
        operations=(costs[0].operations, costs[1].operations),
        operators=operators,
        kept_bytes=(costs[0].kept_bytes, costs[1].kept_bytes),
        parameters=(_size(g), _size(d)),
        untouchable=d.untouchable,
        unreached=unreached,
        mixes_images=next(
            (
                name or type(module).__name__
                for name, module in d.network.named_modules()
                if isinstance(module, nn.modules.batchnorm._BatchNorm)
            ),
            None,
        ),
    )


def _size(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _run(
    entry: str,
    sizes: NetworkSizes,
    g: OwnGenerator,
    d: OwnDiscriminator,
    z: Tensor,
    labels: Tensor | None,
) -> str | None:
    """Runs both networks forward and back; says which parameter no gradient reaches, if any.

    Raises UsageError for outputs of another kind or shape than they must have.
    """
    of_labels = "" if labels is None else ", labels"
    images = _output(f"{entry}: G(z{list(z.shape)}{of_labels})", lambda: g(z, labels))
    shape = [TRACED_IMAGES, 3, sizes.resolution, sizes.resolution]
    if list(images.shape) != shape:
        raise UsageError(
            f"{entry}: G(z{list(z.shape)}{of_labels}) must be images {shape}, in [-1, 1], but is "
            f"{list(images.shape)}"
        )
    call = f"{entry}: D(x{shape}{of_labels})"
    raw = (images, labels) if labels is not None else (images,)
    outputs = _output(call, lambda: d.network(*raw))
    if list(outputs.shape) not in ([TRACED_IMAGES], [TRACED_IMAGES, 1]):
        raise UsageError(
            f"{call} must be one number per image, [{TRACED_IMAGES}] or [{TRACED_IMAGES}, 1], but "
            f"is {list(outputs.shape)}"
        )
    if not outputs.requires_grad:
        raise UsageError(f"{call} has no gradient: nothing could be trained")
    outputs.square().sum().backward()
    for player, network in (("G", g), ("D", d)):
        for name, parameter in network.network.named_parameters():
            if parameter.grad is None:
                is_frozen = not parameter.requires_grad
                return f"{player}'s {name} {'is frozen' if is_frozen else 'is not used'}"
    return None


def _output(call: str, forward: Callable[[], Any]) -> Tensor:
    try:
        output = forward()
    except Exception as error:  # a person's own code, which may raise anything
        raise UsageError(f"{call} failed: {first_line(error)}") from error
    if not isinstance(output, Tensor) or not output.is_floating_point():
        got = str(output.dtype) if isinstance(output, Tensor) else type(output).__name__
        raise UsageError(f"{call} must be a tensor of floating-point numbers, but is {got}")
    return output


class Cost(NamedTuple):
    """Cost of a forward pass: multiply-adds per image, operators, and bytes per image that are
    kept for the way back, those of the weights aside."""

    operations: float
    operators: float
    kept_bytes: float


class _Operators(TorchDispatchMode):
    """Counts operators that compute; views only look."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        self.count += not func.is_view
        return func(*args, **(kwargs or {}))


def _cost(network: nn.Module, inputs: Inputs) -> Cost:
    """The cost on fake tensors; on real ones where a network looks at numbers, or at what has no
    fake, such as kernels of its own."""
    try:
        mode = FakeTensorMode(allow_non_fake_inputs=True)
        with mode:
            return _counted(network, inputs, mode.from_tensor)
    except Exception:  # whatever the network's own code makes of tensors without numbers
        return _counted(
            network,
            inputs,
            lambda tensor: tensor.detach().clone().requires_grad_(tensor.requires_grad),
        )


def _counted(network: nn.Module, inputs: Inputs, copy: Callable[[Tensor], Tensor]) -> Cost:
    tensors = {
        name: copy(tensor)
        for name, tensor in (*network.named_parameters(), *network.named_buffers())
    }
    x, labels = (None if each is None else copy(each) for each in inputs)
    weights = {tensor.untyped_storage()._cdata for tensor in tensors.values()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage.nbytes()
        alive.append(tensor)  # that no storage takes another's place
        return tensor

    alive: list[Tensor] = []
    flops, operators = FlopCounterMode(display=False), _Operators()
    with saved_tensors_hooks(keep, lambda tensor: tensor), flops, operators:
        alive.append(functional_call(network, tensors, (x, labels)))
    n = len(inputs[0])
    size = sum(size for storage, size in kept.items() if storage not in weights)
    return Cost(
        operations=flops.get_total_flops() / 2 / n,
        operators=float(operators.count),
        kept_bytes=math.ceil(size / n),
    )
