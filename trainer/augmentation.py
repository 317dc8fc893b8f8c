"""Differentiable augmentation of images, each in its own random way (DiffAugment, bCR).

Images are [B, 3, H, H] in [-1, 1], where 0 is a mean grey; it fills what a shift leaves empty, as
the released code of DiffAugment does. Everything is differentiable in the images.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from trainer.config.methods import METHODS
from trainer.config.trial import TrialConfig
from trainer.own_code import own_function

# Shares of the side: the furthest shift, and the square that is cut out (DiffAugment's).
SHIFT, CUTOUT = 1 / 8, 1 / 2


def shifted(x: Tensor, rng: torch.Generator) -> Tensor:
    """Each image moved by up to an eighth of its side, by whole pixels, in both directions."""
    side = x.shape[-1]
    reach = round(SHIFT * side)
    offset = torch.randint(2 * reach + 1, (2, len(x), 1), generator=rng, device=x.device)
    row, column = offset + torch.arange(side, device=x.device)
    padded = F.pad(x, 4 * (reach,))
    image = torch.arange(len(x), device=x.device)[:, None, None]
    # Advanced indices apart from each other put their axes first: channels come last.
    return padded[image, :, row[:, :, None], column[:, None, :]].permute(0, 3, 1, 2)


def recoloured(x: Tensor, rng: torch.Generator) -> Tensor:
    """Brightness + U(-0.5, 0.5), saturation times U(0, 2), contrast times U(0.5, 1.5)."""
    shape = (3, len(x), 1, 1, 1)
    brightness, saturation, contrast = torch.rand(
        shape, generator=rng, device=x.device, dtype=x.dtype
    )
    x = x + (brightness - 0.5)
    grey = x.mean(1, keepdim=True)
    x = (x - grey) * (2 * saturation) + grey
    mean = x.mean((1, 2, 3), keepdim=True)
    return (x - mean) * (contrast + 0.5) + mean


def cut_out(x: Tensor, rng: torch.Generator) -> Tensor:
    """A square of half the side, somewhere and perhaps in part outside, set to 0."""
    side = x.shape[-1]
    size = round(CUTOUT * side)
    # The square's first pixel, from -size / 2 to side - size / 2 (the size is even).
    first = torch.randint(side + 1, (2, len(x), 1), generator=rng, device=x.device) - size // 2
    pixel = torch.arange(side, device=x.device)
    row, column = (pixel >= first) & (pixel < first + size)
    return x * ~(row[:, None, :, None] & column[:, None, None, :])


def augmented(x: Tensor, rng: torch.Generator) -> Tensor:
    """DiffAugment's policy for CIFAR-10: colour, translation, cutout."""
    return cut_out(shifted(recoloured(x, rng), rng), rng)


def augmentation_of(
    config: TrialConfig,
) -> Callable[[Tensor, torch.Generator], Tensor] | None:
    """The function through which D sees every image of training: the method's, a person's own,
    which draws from torch's own generator, or None."""
    if METHODS[config.method].augments:
        return augmented
    if config.augment is None or config.augment_source is None:
        return None
    own = own_function(config.augment, config.augment_source)
    return lambda x, _: own(x)
