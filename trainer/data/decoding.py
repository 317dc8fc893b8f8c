"""Pictures of any kind, decoded to squares of one size: uint8 [3, side, side].

Greyscale, palettes, transparency, CMYK, 16 bits and EXIF's orientation become plain RGB first.
Colour profiles are not applied. Of an animation the first picture is taken.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageColor, ImageOps, UnidentifiedImageError

from trainer.config.lookup import UsageError
from trainer.config.own_images import Reading

# A picture of 11,585 x 11,585 pixels; decoded it takes 400 MB. More is taken for a bomb.
MOST_PIXELS = 2**27
# A JPEG decoder halves sides cheaply; Lanczos gets at least so many times what it leaves.
DRAFT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Square:
    """`pixels` uint8 [3, side, side]; whether the picture was smaller, and partly transparent."""

    pixels: np.ndarray
    enlarged: bool
    transparent: bool


class DamagedPicture(Exception):
    """A picture that cannot be decoded; says why in a few words."""


def decoded_file(content: bytes, side: int, most_pixels: int = MOST_PIXELS) -> Image.Image:
    """The picture in a file's content, upright. Raises DamagedPicture, before memory is taken for
    one of more than `most_pixels`."""
    try:
        image = Image.open(io.BytesIO(content))
        if image.width * image.height > most_pixels:
            raise DamagedPicture(
                f"{image.width} x {image.height} pixels are more than the {most_pixels:,} "
                "that are decoded"
            )
        if image.format == "JPEG":
            image.draft(None, (DRAFT * side, DRAFT * side))
        return ImageOps.exif_transpose(image)
    except DamagedPicture:
        raise
    except UnidentifiedImageError as error:
        raise DamagedPicture("no picture, or none of a known format") from error
    except Exception as error:  # Pillow's decoders raise many kinds; all mean this file
        raise DamagedPicture(_first_line(error)) from error


def square(image: Image.Image, side: int, reading: Reading) -> Square:
    """The picture's centre, or with `fit` all of it, in RGB at `side` pixels (Lanczos).

    Raises DamagedPicture for pixels that have no meaning as a colour.
    """
    colour = background(reading.background)
    try:
        image, transparent = _rgb(image, colour)
        enlarged = min(image.size) < side
        image = _whole(image, side, colour) if reading.fit else _centre(image, side)
    except (OSError, SyntaxError, ValueError) as error:
        raise DamagedPicture(_first_line(error)) from error
    pixels = np.asarray(image, dtype=np.uint8).transpose(2, 0, 1)
    return Square(pixels=pixels, enlarged=enlarged, transparent=transparent)


_LANCZOS = Image.Resampling.LANCZOS


def _centre(image: Image.Image, side: int) -> Image.Image:
    shorter = min(image.size)
    left, top = (image.width - shorter) // 2, (image.height - shorter) // 2
    # Cropped first: resize(box=...) would let pixels from outside of the box in.
    cropped = image.crop((left, top, left + shorter, top + shorter))
    return cropped.resize((side, side), _LANCZOS)


def _whole(image: Image.Image, side: int, colour: tuple[int, int, int]) -> Image.Image:
    scale = side / max(image.size)
    width, height = (max(1, round(scale * length)) for length in image.size)
    ground = Image.new("RGB", (side, side), colour)
    ground.paste(
        image.resize((width, height), _LANCZOS), ((side - width) // 2, (side - height) // 2)
    )
    return ground


def background(colour: str) -> tuple[int, int, int]:
    """(red, green, blue) of a colour's name or #rrggbb. Raises UsageError for anything else."""
    try:
        return ImageColor.getrgb(colour)[:3]
    except ValueError:
        raise UsageError(
            f"--background is a colour like white, black or #7f7f7f, not {colour!r}"
        ) from None


def _rgb(image: Image.Image, colour: tuple[int, int, int]) -> tuple[Image.Image, bool]:
    """The picture in RGB, and whether any of it is transparent."""
    if image.mode == "F":
        raise DamagedPicture("its pixels are floats, of which no white is known")
    if image.mode.startswith("I"):
        return Image.fromarray(_eight_bits(np.asarray(image))).convert("RGB"), False
    if not image.has_transparency_data:
        return image.convert("RGB"), False
    image = image.convert("RGBA")
    alpha = image.getchannel("A").getextrema()
    if alpha == (255, 255):
        return image.convert("RGB"), False
    ground = Image.new("RGBA", image.size, (*colour, 255))
    return Image.alpha_composite(ground, image).convert("RGB"), True


def _eight_bits(values: np.ndarray) -> np.ndarray:
    """uint8 of 16-bit values, 65,535 being white: to the nearest."""
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65_535:
        raise DamagedPicture(f"its pixels reach from {low} to {high}, not from 0 to 65535")
    return ((values.astype(np.uint32) * 255 + 32_767) // 65_535).astype(np.uint8)


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
