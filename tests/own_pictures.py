"""Small pictures on disk, as a person may have them: made from a seed, never shipped."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from trainer.config.own_images import OwnImages
from trainer.config.trial import TrialConfig, trial_config

# Of stripes.
KINDS = 8


def random_pixels(k: int, height: int = 12, width: int = 12) -> np.ndarray:
    """uint8 [height, width, 3], another for each k."""
    rng = np.random.default_rng(k)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def png(k: int, height: int = 12, width: int = 12) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(random_pixels(k, height, width)).save(buffer, "PNG")
    return buffer.getvalue()


def write_pictures(folder: Path, n: int = 24, classes: tuple[str, ...] = ("",)) -> Path:
    """Writes n pictures, in turn into the folders of the classes; returns the folder."""
    for k in range(n):
        path = folder / classes[k % len(classes)] / f"{k:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(k))
    return folder


def own_config(
    resolution: int = 32,
    method: str = "sn",
    *,
    profile: str = "small",
    setting: str = "U_8-32",
    classes: int | None = None,
    images: int = 4500,
    **changes: Any,
) -> TrialConfig:
    """A trial on pictures that nobody has."""
    own = OwnImages(resolution=resolution, sha256="ab" * 32, images=images, classes=classes)
    return trial_config(profile, setting, method, 0, dataset=own.name, **{**own.fields, **changes})


def stripes(n: int, seed: int, kinds: int = KINDS) -> Tensor:
    """uint8 [n, 3, 32, 32]: stripes of a direction and a colour per kind, of random phase and
    width, with noise."""
    rng = torch.Generator().manual_seed(seed)
    kind = torch.arange(n) % kinds
    angle = (math.pi * kind / KINDS)[:, None, None]
    colour = torch.rand(KINDS, 3, generator=torch.Generator().manual_seed(9))[kind]
    period = 6 + 4 * torch.rand(n, 1, 1, generator=rng)
    phase = 6.3 * torch.rand(n, 1, 1, generator=rng)
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    wave = torch.sin(2 * math.pi / period * (x * angle.cos() + y * angle.sin()) + phase)
    image = 127 + 90 * wave[:, None] * colour[:, :, None, None]
    image = image + 8 * torch.randn(n, 3, 32, 32, generator=rng)
    return image.clamp(0, 255).to(torch.uint8)
