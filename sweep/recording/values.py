"""Plain numbers and pictures of values of anybody's loop: Python's, NumPy's or torch's."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np

from trainer.config.lookup import UsageError

MOST_IMAGES = 64
# Of a picture, pixels that are not finite: NaN is shown, not painted over.
NOT_FINITE = (255, 0, 255)
_PNG = b"\x89PNG\r\n\x1a\n"


def number(name: str, value: Any) -> float:
    """The value as a float, NaN and infinity among them. Raises UsageError if it is not one."""
    try:
        if not isinstance(value, bool | str | bytes):
            return float(value.item() if hasattr(value, "item") else value)
    except (TypeError, ValueError, RuntimeError):  # torch's own of several values
        pass
    raise UsageError(f"{name} must be one number, but got {_shown(value)}")


def whole(name: str, value: Any) -> int:
    """The value as an integer. Raises UsageError if it is none."""
    as_float = number(name, value)
    if not math.isfinite(as_float) or as_float != int(as_float):
        raise UsageError(f"{name} must be a whole number, but got {_shown(value)}")
    return int(as_float)


def array(name: str, value: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The value as a float64 array of any shape. Raises UsageError for what holds no numbers."""
    try:
        if hasattr(value, "detach"):
            # bfloat16 is none of NumPy's types.
            value = value.detach().cpu().double().numpy()
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name} must be an array of numbers, but got {_shown(value)}") from error


def picture(samples: Any) -> bytes:
    """PNG of one grid of samples.

    `samples` are the bytes of a PNG, a picture of Pillow, or an array [N, 1 or 3, H, W] or
    [N, H, W, 1 or 3], of which 64 are shown at most: integers up to 255, else from -1 to 1, or
    from 0 to 1 where none is below 0. Raises UsageError for anything else.
    """
    if isinstance(samples, bytes):
        if not samples.startswith(_PNG):
            raise UsageError("samples are bytes, and no PNG")
        return samples
    from PIL import Image

    image = samples if isinstance(samples, Image.Image) else Image.fromarray(_grid(samples))
    sink = io.BytesIO()
    image.save(sink, "PNG")
    return sink.getvalue()


def _grid(samples: Any) -> np.ndarray[Any, np.dtype[np.uint8]]:
    images = _as_bytes(_channels_last(samples))[:MOST_IMAGES]
    n, height, width, _ = images.shape
    side = math.ceil(math.sqrt(n))
    padded = np.zeros((side * side, height, width, 3), dtype=np.uint8)
    padded[:n] = images
    rows = padded.reshape(side, side, height, width, 3).swapaxes(1, 2)
    return rows.reshape(side * height, side * width, 3)


def _channels_last(samples: Any) -> np.ndarray[Any, Any]:
    pixels = array("samples", samples)
    if pixels.ndim == 4 and len(pixels) and pixels.shape[1] in (1, 3):
        pixels = pixels.transpose(0, 2, 3, 1)
    if pixels.ndim != 4 or not len(pixels) or pixels.shape[3] not in (1, 3):
        raise UsageError(
            "samples must be [N, 1 or 3, H, W] or [N, H, W, 1 or 3], but have the shape "
            f"{list(pixels.shape)}"
        )
    is_whole = not hasattr(samples, "dtype") or "int" in str(samples.dtype)
    if is_whole:
        return pixels / 255
    has_negative = bool((pixels < 0).any())
    return (pixels + 1) / 2 if has_negative else pixels


def _as_bytes(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    finite = np.isfinite(pixels)
    scaled = np.where(finite, pixels, 0.0).clip(0, 1) * 255
    images = np.broadcast_to(scaled.round(), (*pixels.shape[:3], 3)).astype(np.uint8)
    images[~finite.all(axis=3)] = NOT_FINITE
    return images


def _shown(value: Any) -> str:
    return f"{str(value)[:40]!r} of {type(value).__name__}"
