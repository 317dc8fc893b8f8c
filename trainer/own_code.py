"""A person's own loss and augmentation, and the check of all their code before any work."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from trainer.config.entry import first_line, imported_function
from trainer.config.lookup import UsageError
from trainer.config.own_code import NetworkFacts, NetworkSizes, OwnCode, unchanged_function
from trainer.network_facts import network_facts
from trainer.randomness import seed_torch

# Of D's outputs, and of images, that loss and augmentation are tried on.
TRIED = 4


def checked(code: OwnCode, sizes: NetworkSizes) -> NetworkFacts | None:
    """Tries the loss, the augmentation and the networks; returns the facts of the networks.

    None without networks of one's own. Raises UsageError, in a line, for what cannot be trained.
    """
    with torch.random.fork_rng(devices=[]):
        seed_torch(0, 0, "check of own code")
        if code.loss is not None:
            _try_loss(code.loss)
        if code.augment is not None:
            _try_augmentation(code.augment, sizes.resolution)
    return None if code.networks is None else network_facts(code.networks, sizes)


@lru_cache(maxsize=16)
def own_function(entry: str, source: str) -> Callable[..., Any]:
    """The function of the import path, once its file has been found to be the hashed one."""
    return unchanged_function(entry, source)


@lru_cache(maxsize=16)
def _try_loss(entry: str) -> None:
    """Raises UsageError unless loss(real[B], fake[B]) gives two finite scalars with gradients."""
    real, fake = (torch.randn(TRIED, requires_grad=True) for _ in range(2))
    call = f"{entry}(real[{TRIED}], fake[{TRIED}])"
    losses = _result(call, lambda: imported_function(entry)(real, fake))
    if not isinstance(losses, tuple | list) or len(losses) != 2:
        raise UsageError(
            f"{call} must return two losses, (of D, of G), but returned a {_kind(losses)}"
        )
    for player, loss in zip("DG", losses, strict=True):
        if not isinstance(loss, Tensor) or loss.dim() != 0 or not loss.requires_grad:
            raise UsageError(
                f"{call} must return scalar tensors with a gradient, but {player}'s is a "
                f"{_kind(loss)}"
            )
        if not any(
            gradient is not None and gradient.isfinite().all() and gradient.any()
            for gradient in torch.autograd.grad(
                loss, [real, fake], retain_graph=True, allow_unused=True
            )
        ):
            raise UsageError(f"{call}: {player}'s loss has no finite gradient in D's outputs")


@lru_cache(maxsize=16)
def _try_augmentation(entry: str, resolution: int) -> None:
    """Raises UsageError unless augment(images) gives images of that shape, with gradients."""
    x = (torch.rand(TRIED, 3, resolution, resolution) * 2 - 1).requires_grad_()
    call = f"{entry}(images{list(x.shape)})"
    images = _result(call, lambda: imported_function(entry)(x))
    if not isinstance(images, Tensor) or images.shape != x.shape:
        raise UsageError(
            f"{call} must return images of the same shape, but returned a {_kind(images)}"
        )
    if not images.requires_grad:
        raise UsageError(f"{call} has no gradient in the images, without which G learns nothing")


def _result(call: str, function: Callable[[], Any]) -> Any:
    try:
        return function()
    except Exception as error:  # a person's own code, which may raise anything
        raise UsageError(f"{call} failed: {first_line(error)}") from error


def _kind(value: Any) -> str:
    if isinstance(value, Tensor):
        gradient = "" if value.requires_grad else " without a gradient"
        return f"tensor {list(value.shape)}{gradient}"
    if isinstance(value, tuple | list):
        return f"{type(value).__name__} of {len(value)}"
    return type(value).__name__
