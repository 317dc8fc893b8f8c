"""Images cut out of a grid, against Pillow's reading of both."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from api.trials.grids import IMAGES, Pixels, chosen_images, cut, decoded, encoded


def png(pixels: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", **options)
    return buffer.getvalue()


def pixels_of(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


def smooth(size: int) -> np.ndarray:
    """Pixels of which an encoder uses every filter."""
    y, x = np.mgrid[:size, :size]
    noise = np.random.default_rng(0).integers(0, 9, (size, size))
    return np.stack([2 * x, y + x, x * y // 9 + noise], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("size", [8, 64, 96])
def test_pixels_are_pillows(size: int) -> None:
    pixels = smooth(size)
    own = decoded(png(pixels))
    assert (own.width, own.height) == (size, size)
    assert own.content == pixels.tobytes()
    assert np.array_equal(pixels_of(encoded(own)), pixels)


@pytest.mark.parametrize("n", [1, 2, 5, 16, 64])
def test_chosen_images_are_those_of_the_grid(n: int) -> None:
    grid = smooth(64)
    numbers = chosen_images(n, 3)
    picture = pixels_of(encoded(cut(decoded(png(grid)), numbers)))
    columns = picture.shape[1] // 8
    assert columns == np.ceil(np.sqrt(n))
    for place, number in enumerate(numbers):
        y, x = 8 * (place // columns), 8 * (place % columns)
        top, left = 8 * (number // 8), 8 * (number % 8)
        part = grid[top : top + 8, left : left + 8]
        assert np.array_equal(picture[y : y + 8, x : x + 8], part)


def test_a_seed_chooses_the_same_images_again() -> None:
    assert chosen_images(10, 5) == chosen_images(10, 5) != chosen_images(10, 6)
    assert sorted(chosen_images(IMAGES, 1)) == list(range(IMAGES))


def test_other_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="it is no PNG"):
        decoded(b"GIF89a")
    with pytest.raises(ValueError, match="8-bit colours"):
        decoded(png(np.zeros((8, 8), np.uint8)))
    with pytest.raises(ValueError, match="no grid of 64 images"):
        cut(Pixels(12, 12, bytes(12 * 12 * 3)), [0])
