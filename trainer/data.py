"""Real images: the digits that scikit-learn ships, stacked; CIFAR-10 and STL-10 by torchvision.

A data set is uint8 and lives whole on the training device; a batch is gathered there. Stacked
digits draw three digits independently, one per colour channel: 10^3 = 1000 known modes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from trainer.config import missing_reason
from trainer.settings import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """`train` and `held_out` are uint8 [N, C, H, H]; with `stacked`, C is 1 and three draws
    make the channels of one image."""

    train: Tensor
    held_out: Tensor
    stacked: bool

    def draw(self, n: int, rng: torch.Generator, *, held_out: bool = False) -> Tensor:
        """uint8 [n, 3, H, H], drawn with replacement."""
        pool = self.held_out if held_out else self.train
        shape = (n, 3) if self.stacked else (n,)
        index = torch.randint(len(pool), shape, generator=rng, device=pool.device)
        return pool[index].squeeze(2) if self.stacked else pool[index]


def dequantise(images: Tensor, rng: torch.Generator) -> Tensor:
    """x / 128 - 1 + U(0, 1/128), float32 in [-1, 1]; released code, data loader."""
    noise = torch.rand(images.shape, generator=rng, device=images.device)
    return images.float().add_(noise).div_(128).sub_(1)


def quantise(images: Tensor) -> Tensor:
    """uint8 of images in [-1, 1]: clip(127.5 x + 127.5), as the released code saves samples."""
    return (images * 127.5 + 127.5).clamp_(0, 255).to(torch.uint8)


def load(dataset: str, device: str, root: Path | None = None, *, download: bool = False) -> Images:
    """The named data set on `device`. Raises UsageError when it is not there."""
    if dataset.startswith("digits"):
        return _digits(device, resolution=int(dataset.removeprefix("digits")))
    if missing := missing_reason(dataset, root, download=download):
        raise UsageError(missing)
    assert root is not None
    train, held_out = _torchvision(dataset, root, download=download)
    return Images(train=train.to(device), held_out=held_out.to(device), stacked=False)


def digit_pools() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(train images, train labels, held-out images, held-out labels) of the 1,797 digits.

    Images are uint8 [N, 1, 8, 8]; scikit-learn's values 0..16 are spread over 0..255. The split
    is 80 to 20, stratified, seed 0; the GAN and its classifier share the larger part.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    parts = train_test_split(images, labels, test_size=0.2, stratify=labels, random_state=0)
    train, held_out, train_labels, held_out_labels = (torch.as_tensor(part) for part in parts)
    return _bytes(train), train_labels, _bytes(held_out), held_out_labels


def _bytes(digits: Tensor) -> Tensor:
    return (digits * (255 / 16)).round().to(torch.uint8).reshape(-1, 1, 8, 8)


def _digits(device: str, resolution: int) -> Images:
    train, _, held_out, _ = digit_pools()
    repeat = resolution // 8
    train, held_out = (
        pool.repeat_interleave(repeat, 2).repeat_interleave(repeat, 3).to(device)
        for pool in (train, held_out)
    )
    return Images(train=train, held_out=held_out, stacked=True)


def _torchvision(dataset: str, root: Path, *, download: bool) -> tuple[Tensor, Tensor]:
    """uint8 [N, 3, 32, 32] for training and held out; STL-10 trains on its unlabelled part."""
    from torchvision import datasets

    if dataset == "cifar10":
        train = datasets.CIFAR10(str(root), train=True, download=download).data
        held_out = datasets.CIFAR10(str(root), train=False, download=download).data
        return _channels_first(train), _channels_first(held_out)
    unlabelled = datasets.STL10(str(root), split="unlabeled", download=download).data
    held_out = datasets.STL10(str(root), split="test", download=download).data
    return _resize_to_32(unlabelled), _resize_to_32(held_out)


def _channels_first(images) -> Tensor:
    return torch.as_tensor(images).permute(0, 3, 1, 2).contiguous()


def _resize_to_32(images) -> Tensor:
    """The paper compresses STL-10 from 96 to 32 pixels and does not say how: averages of 3x3."""
    chunks = torch.as_tensor(images).split(4096)
    return torch.cat([F.avg_pool2d(c.float(), 3).round().to(torch.uint8) for c in chunks])
