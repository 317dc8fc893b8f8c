"""Whole training iterations on fake tensors: shapes, types and devices of a GPU, but no numbers.

A fake CPU trial has real autograd, so that its operators and its memory are counted whole. On
fake CUDA tensors autograd's engine wants a driver: there gradients of the right shape stand in.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils import _pytree
from torch.utils._python_dispatch import TorchDispatchMode

from trainer import convolution, hessian, measure, networks, stacks, updates
from trainer.config.trial import TrialConfig
from trainer.data.images import Images
from trainer.ema import weights_of
from trainer.state import TrainState, _optimiser
from trainer.tf32 import is_on

ATEN = torch.ops.aten
# Operators that only look at memory that another one wrote.
_NO_LAUNCH = {"detach", "_reshape_alias", "lift_fresh", "empty", "empty_strided", "empty_like"}


class Counted(TorchDispatchMode):
    """Operators that write (`launches`), `written` bytes by type, what the host reads (`reads`),
    and the `peak` of all bytes alive. `operators` has names, types of the outputs, and whether
    TF32 was on."""

    def __init__(self) -> None:
        super().__init__()
        self.launches = self.reads = self.live = self.peak = 0
        self.written: Counter[torch.dtype] = Counter()
        self.operators: Counter[tuple[str, torch.dtype, bool]] = Counter()
        self._sizes: dict[int, int] = {}
        self._last_read = 0

    def start(self) -> None:
        """Counts from here on."""
        self.launches = self.reads = 0
        self.peak = self.live
        self.written.clear()
        self.operators.clear()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is ATEN._local_scalar_dense.default:
            # A list is read at once, though element by element here.
            storage = args[0].untyped_storage()._cdata
            self.reads += storage != self._last_read
            self._last_read = storage
            return _usual(args[0])
        out = func(*args, **(kwargs or {}))
        name = func._schema.name.removeprefix("aten::")
        if not func.is_view and name not in _NO_LAUNCH and "prim" not in name:
            # What works in place on lists gives nothing back.
            self._note(name, args[0] if out is None else out, _launches(name, args))
        for tensor in _tensors(out):
            self._keep(tensor)
        return out

    def _note(self, name: str, out: Any, launches: int) -> None:
        self.launches += launches
        for tensor in _tensors(out):
            self.written[tensor.dtype] += tensor.numel() * tensor.element_size()
            self.operators[name, tensor.dtype, is_on()] += 1

    def _keep(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._sizes:
            return
        self._sizes[key] = storage.nbytes()
        self.live += storage.nbytes()
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._drop, key)

    def _drop(self, key: int) -> None:
        self.live -= self._sizes.pop(key, 0)


def _launches(name: str, args: Any) -> int:
    """1, but one for each where a list of tensors meets a list of others: torch then takes them
    one by one."""
    if not name.startswith("_foreach"):
        return 1
    lists = [arg for arg in args if isinstance(arg, list) and isinstance(arg[0], Tensor)]
    if len(lists) < 2:
        return 1
    layouts = [[(tensor.shape, tensor.stride()) for tensor in each] for each in lists]
    return 1 if layouts[0] == layouts[1] else len(lists[0])


def _tensors(out: Any) -> list[Tensor]:
    return [leaf for leaf in _pytree.tree_leaves(out) if isinstance(leaf, Tensor)]


def _usual(tensor: Tensor) -> float | bool:
    """What a healthy run would read: every flag is set, every number is 1."""
    return True if tensor.dtype == torch.bool else 1.0 if tensor.is_floating_point() else 1


class _Generator(torch.Generator):
    """A generator of the CPU that calls itself one of another device."""

    def __new__(cls, device: str) -> _Generator:
        self = super().__new__(cls, "cpu")
        self.asked = torch.device(device)
        return self

    @property
    def device(self) -> torch.device:
        return self.asked


def _shapes(config: TrialConfig) -> tuple[Any, Any]:
    """(G, D) as the trainer lays them out, without memory."""
    with torch.device("meta"):
        g, d = networks._bare(config)
    return g.to(memory_format=torch.channels_last), d.to(memory_format=torch.channels_last)


def _state(config: TrialConfig, g: Any, d: Any) -> TrainState:
    """The state before the first iteration, on fake tensors of the configuration's device."""
    for network in (g, d):
        network._apply(lambda t: _moved(t, config.device))
    n = len(d.regularised_layers())
    return TrainState(
        generator=g,
        discriminator=d,
        generator_optimiser=_optimiser(config, g, config.learning_rate),
        discriminator_optimiser=_optimiser(config, d, config.discriminator_learning_rate),
        gamma=n * [None],
        leading=n * [None],
        ema=weights_of(g),
    )


def _moved(tensor: Tensor, device: str) -> Tensor:
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=device)


def _images(config: TrialConfig, n: int = 2000) -> Images:
    side = config.resolution or 0
    pixels = torch.zeros(n, 3, side, side, dtype=torch.uint8, device=config.device)
    labels = None
    if config.classes is not None:
        labels = torch.zeros(n, dtype=torch.int64, device=config.device)
    return Images(
        train=pixels, held_out=pixels, stacked=False, train_labels=labels, held_out_labels=labels
    )


@contextmanager
def fake_trial(
    config: TrialConfig, patch: pytest.MonkeyPatch
) -> Iterator[tuple[TrainState, Images, Counted]]:
    """The trial's state and data on fake tensors, in stacks as on a GPU, and what is counted."""
    for module in (updates, measure, hessian):
        patch.setattr(module, "generator", lambda device, *_: _Generator(device))
    patch.setattr(stacks, "runs_in_stacks", lambda _: True)
    shapes = _shapes(config)
    # It remembers tensors: real ones would be mixed with fake ones.
    convolution._taps.cache_clear()
    try:
        with FakeTensorMode(allow_non_fake_inputs=True), Counted() as counted:
            yield _state(config, *shapes), _images(config), counted
    finally:
        convolution._taps.cache_clear()


def without_engine(state: TrainState, patch: pytest.MonkeyPatch) -> None:
    """Puts gradients of zeros in the place of autograd's, which on fake CUDA wants a driver."""

    def backward(loss: Tensor, *_: Any, **__: Any) -> None:
        for network in (state.generator, state.discriminator):
            for p in network.parameters():
                if p.requires_grad:
                    zero = torch.zeros_like(p) + 0 * loss.to(p.dtype)
                    p.grad = zero if p.grad is None else p.grad + zero
            for layer in network.modules():
                weight = getattr(layer, "normalised", None)
                if weight is not None and weight.requires_grad:
                    weight.grad = torch.zeros_like(weight) + 0 * loss.to(weight.dtype)

    def grad(outputs: Any, inputs: Any, *_: Any, **__: Any) -> tuple[Tensor, ...]:
        first = outputs if isinstance(outputs, Tensor) else outputs[0]
        several = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        return tuple(x * 0 * first.sum().to(x.dtype) for x in several)

    patch.setattr(Tensor, "backward", backward)
    patch.setattr(torch.autograd, "grad", grad)
