"""A share of the training images: the same for every seed and method, the smaller in the larger.

The images are in a random order that is a function of their number alone, and a share is a first
part of it. Held-out images, and the real ones that scores compare with, stay all of them.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from trainer.data.imagenet import ImageStream
from trainer.data.images import Images
from trainer.data.sources import Source
from trainer.randomness import generator


def shared(source: Source, share: float | None) -> Source:
    """The source with its training draws from a share of its images; None are all of them."""
    if share is None:
        return source
    assert isinstance(source, Images | ImageStream)
    chosen = chosen_images(len(source.train), share)
    if isinstance(source, ImageStream):
        return source.restricted(chosen)
    return dataclasses.replace(source, chosen=chosen.to(source.train.device))


def chosen_images(n: int, share: float) -> Tensor:
    """Indices int64 [m] of the share's images among n, m = share n to the nearest, at least 1."""
    order = torch.randperm(n, generator=generator("cpu", 0, 0, "share of the images"))
    return order[: max(1, round(share * n))]
