"""Sources of real samples: their interface, and the one of a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from trainer import toys
from trainer.config.own_images import OwnImages, Reading
from trainer.data import images
from trainer.data.imagenet import ImageStream


class Source(Protocol):
    """Draws are ready for training: float32 on the device, with labels int64 [n] or None."""

    def draw(
        self, n: int, rng: torch.Generator, *, held_out: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """n samples, with replacement."""
        ...

    def draw_fixed(
        self, n: int, rng: torch.Generator, *, held_out: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """n samples for an evaluation: the same from the same rng, and no draw of training's."""
        ...

    def follow(
        self,
        seed: int,
        iteration: int,
        n_critic: int,
        batch_size: int,
        micro_batch: int,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        """Told once, before training goes on from `iteration`: a stream begins to read ahead.

        Of the micro-batches it is asked for every one of number rank, rank + world_size, ..
        """
        ...

    def close(self) -> None:
        """Told when no more is drawn for training: a stream ends its workers."""
        ...


def load_source(
    dataset: str,
    device: str,
    root: Path | None,
    *,
    download: bool = False,
    own: OwnImages | None = None,
    reading: Reading | None = None,
) -> images.Images | ImageStream | toys.Points:
    """Images on the device, a stream of them, or points; own pictures are those of `own`.

    Raises UsageError when they are not there.
    """
    if own is not None:
        return images.own_images(own, device, root, reading or Reading())
    if dataset in toys.POINTS:
        return toys.POINTS[dataset](device)
    return images.load(dataset, device, root, download=download)
