"""Small pictures on disk, as a person may have them: made from a seed, never shipped."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from trainer.config.own_images import OwnImages
from trainer.config.trial import TrialConfig, trial_config


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
