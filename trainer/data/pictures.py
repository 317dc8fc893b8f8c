"""Pictures in a folder per class, read as the networks want them: square, of one size, uint8."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from trainer.config.lookup import UsageError


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageFiles(Dataset[Tensor]):
    """The pictures below `folder`, each read as uint8 [3, `resolution`, `resolution`].

    `names` are their paths in the folder as one array of bytes (a list of a million strings would
    be copied into every worker, by the counting of references alone); `labels` is int64 [N].
    """

    folder: Path
    names: np.ndarray
    labels: Tensor
    classes: tuple[str, ...]
    resolution: int

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Tensor:
        path = self.path(index)
        try:
            return read_square(path, self.resolution)
        except Exception as error:  # Pillow's decoders raise many kinds; all mean this file
            raise UsageError(f"cannot read the image {path}: {error}") from error

    def path(self, index: int) -> Path:
        return self.folder / os.fsdecode(self.names[index])

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over names and sizes in bytes of the files, and over how they are resized."""
        digest = hashlib.sha256(f"centre crop, bilinear, {self.resolution}\n".encode())
        for index, name in enumerate(self.names):
            digest.update(b"%s %d\n" % (name, self.path(index).stat().st_size))
        return digest.hexdigest()


def read_square(path: Path, size: int) -> Tensor:
    """uint8 [3, size, size]: the centre crop of the shorter side, resized bilinearly.

    Pillow's bilinear filter widens when it shrinks a picture, so no pixel is left out.
    """
    with Image.open(path) as image:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        # Cropped first: resize(box=...) would let pixels from outside of the box in.
        square = image.crop((left, top, left + side, top + side)).convert("RGB")
    pixels = np.asarray(square.resize((size, size), Image.Resampling.BILINEAR))
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())


def image_files(folder: Path, resolution: int) -> ImageFiles:
    """The pictures of a folder of class folders; labels count the classes in sorted order.

    The sorted WordNet ids are the usual order of ImageNet's 1000 classes. Raises UsageError when
    there is no class folder, or one without pictures.
    """
    from torchvision.datasets import ImageFolder

    try:
        folders = ImageFolder(str(folder))
    except OSError as error:
        raise UsageError(f"{folder} must hold a folder of pictures per class: {error}") from error
    prefix = os.path.join(folders.root, "")
    names = [os.fsencode(path.removeprefix(prefix)) for path, _ in folders.samples]
    return ImageFiles(
        folder=Path(folders.root),
        names=np.array(names),
        labels=torch.tensor(folders.targets),
        classes=tuple(folders.classes),
        resolution=resolution,
    )


def dequantise(images: Tensor, rng: torch.Generator) -> Tensor:
    """x / 128 - 1 + U(0, 1/128), float32 in [-1, 1]; released code, data loader."""
    noise = torch.rand(images.shape, generator=rng, device=images.device)
    return noise.add_(images).div_(128).sub_(1)
