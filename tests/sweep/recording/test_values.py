"""Numbers and pictures from values of any library."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sweep.recording.values import array, number, picture, whole
from trainer.config.lookup import UsageError


@pytest.mark.parametrize(
    "value",
    [2, 2.0, np.float32(2), np.array(2), np.array([2.0]), torch.tensor(2, dtype=torch.bfloat16)],
)
def test_a_number_of_any_library(value: Any) -> None:
    assert number("x", value) == 2.0
    assert whole("x", value) == 2


def test_nan_is_a_number_and_no_whole_one() -> None:
    assert math.isnan(number("x", torch.tensor(math.nan, requires_grad=True)))
    with pytest.raises(UsageError, match="x must be a whole number"):
        whole("x", math.nan)


@pytest.mark.parametrize("value", [True, "2", None, np.zeros(2), torch.zeros(2), [1], 1j])
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(UsageError, match="x must be one number"):
        number("x", value)


def test_an_array_of_bfloat16_with_a_gradient() -> None:
    value = torch.ones(3, dtype=torch.bfloat16, requires_grad=True)
    assert array("x", value).tolist() == [1.0, 1.0, 1.0]


def pixels(samples: Any) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(picture(samples))).convert("RGB"))


def test_samples_from_minus_one_to_one_are_a_grid() -> None:
    images = -torch.ones(3, 3, 4, 5)
    images[1] = 1.0
    grid = pixels(images)
    assert grid.shape == (8, 10, 3)
    assert (grid[:4, :5] == 0).all()
    assert (grid[:4, 5:] == 255).all()


@pytest.mark.parametrize(
    "samples",
    [
        np.full((1, 4, 4, 3), 128, dtype=np.uint8),
        np.full((1, 1, 4, 4), 128 / 255),
        torch.full((1, 3, 4, 4), 128, dtype=torch.uint8),
    ],
)
def test_samples_of_every_layout(samples: Any) -> None:
    assert (pixels(samples) == 128).all()


def test_nan_in_a_picture_is_seen() -> None:
    images = np.zeros((1, 1, 2, 2))
    images[0, 0, 0, 0] = math.nan
    assert pixels(images)[0, 0].tolist() == [255, 0, 255]


def test_a_png_and_a_picture_are_taken_as_they_are() -> None:
    content = picture(np.zeros((1, 4, 4, 3)))
    assert picture(content) == content
    assert (pixels(Image.new("RGB", (4, 4), (1, 2, 3))) == (1, 2, 3)).all()


@pytest.mark.parametrize("samples", [b"GIF89a", np.zeros((3, 4)), np.zeros((0, 3, 4, 4)), "x"])
def test_what_is_no_samples_is_refused(samples: Any) -> None:
    with pytest.raises(UsageError, match="samples"):
        picture(samples)
