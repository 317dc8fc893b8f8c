"""The model of memory traffic against the sizes of what torch's operators read and write."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.own_pictures import own_config
from trainer.config.methods import METHODS
from trainer.config.traffic import traffic
from trainer.config.trial import TrialConfig, trial_config
from trainer.data.images import Images
from trainer.state import initial_state
from trainer.updates import train_iteration

aten = torch.ops.aten
# Small batches, so that weights count; narrow networks elsewhere, so that it takes no time.
PAPER: dict[str, Any] = {
    "device": "cpu", "batch_size": 4, "micro_batch": 4, "generator_batch_size": 8, "n_critic": 2,
}  # fmt: skip
IMAGENET: dict[str, Any] = {
    "device": "cpu", "channels": 8, "generator_channels": 8, "generator_batch_size": 4,
}  # fmt: skip
CONFIGS = {
    "digits 8": trial_config("digits", "B_64-64", "sn", 0),
    "digits 8 wide": trial_config("digits", "A_64-128", "sn", 0),
    "digits 16": trial_config("digits", "E_64-128", "sn", 0),
    "cifar": trial_config("paper", "B_64-64", "sn", 0, generator_channels=64, **PAPER),
    "cifar wide": trial_config("paper", "A_64-128", "sn", 0, generator_channels=64, **PAPER),
    "cifar unnormalised": trial_config(
        "paper", "C_64-32", "none", 0, generator_channels=32, **PAPER
    ),
    "packs": trial_config("digits", "A_64-128", "pacgan", 0),
    "packs of the paper's": trial_config(
        "paper", "B_64-64", "pacgan", 0, generator_channels=64, **PAPER
    ),
    "weight normalization": trial_config("digits", "A_64-128", "wn", 0),
    "own 64": own_config(64, channels=8, generator_channels=8),
    "conditional": trial_config(
        "paper", "B_64-64", "sn", 0, dataset="cifar10-conditional", generator_channels=64, **PAPER
    ),
    "imagenet": trial_config(
        "paper", "E_512-64", "sn", 0, batch_size=4, micro_batch=4, **IMAGENET
    ),
    "imagenet in parts": trial_config(
        "paper", "E_512-64", "sn", 0, batch_size=4, micro_batch=2, **IMAGENET
    ),
}


class Traffic(TorchDispatchMode):
    """Bytes of the inputs and outputs of all operators but views."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if not func.is_view and func is not aten._unsafe_view.default:
            self.bytes += sum(map(size, read(func, args, kwargs))) + sum(
                map(size, written(func, args, kwargs, out))
            )
        return out


def read(func, args, kwargs) -> list[Any]:
    """What it takes more of than the shape."""
    if func is aten.index.Tensor:
        return []  # as much as it writes
    if func is aten.avg_pool2d_backward.default:
        return [args[0]]
    if func is aten.convolution_backward.default:
        gradient, x, weight = args[:3]
        of_x, of_weight, _ = args[-1]
        return [gradient, *([x] if of_weight else []), *([weight] if of_x else [])]
    if func in (aten.zeros_like.default, aten.ones_like.default, aten.copy_.default):
        return list(args[1:])
    return tree_leaves((args, kwargs))


def written(func, args, kwargs, out) -> list[Any]:
    changed = [
        leaf
        for argument, value in zip(func._schema.arguments, args, strict=False)
        if argument.alias_info and argument.alias_info.is_write
        for leaf in tree_leaves(value)
    ]
    if changed:
        return changed
    leaves = tree_leaves(out)
    return leaves * 2 if func is aten.index.Tensor else leaves


def size(value: Any) -> int:
    """In bytes; a value that is spread over a dimension lies in memory once."""
    if not isinstance(value, Tensor):
        return 0
    return min(value.numel() * value.element_size(), value.untyped_storage().nbytes())


def counted(config: TrialConfig) -> int:
    """Of an iteration that is not the first."""
    assert config.resolution
    pixels = torch.randint(256, (8, 3, config.resolution, config.resolution), dtype=torch.uint8)
    labels = None if config.classes is None else torch.arange(8)
    data = Images(
        train=pixels, held_out=pixels, stacked=False, train_labels=labels, held_out_labels=labels
    )
    state = initial_state(config)
    train_iteration(config, state, data)
    with Traffic() as moved:
        train_iteration(config, state, data)
    return moved.bytes


@pytest.mark.parametrize("name", CONFIGS)
def test_bytes_of_an_iteration(name: str) -> None:
    """Biases, channels' statistics and losses are not in the model: hence the margin."""
    config = CONFIGS[name]
    assert traffic(config) == pytest.approx(counted(config), rel=0.03)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_moves_bytes(method: str) -> None:
    assert traffic(trial_config("digits", "C_8-32", method, 0)) > 0


def test_weights_count_once_per_update_and_images_each() -> None:
    """So twice the images are less than twice the bytes, by as much as the weights take."""
    one, two, three = (
        traffic(trial_config("paper", name, "sn", 0))
        for name in ("D_128-256", "D_256-256", "D_512-256")
    )
    assert one < two < 2 * one
    assert three - two == pytest.approx(2 * (two - one))
