"""Every kind of picture against arithmetic on its pixels."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.own_pictures import png, random_pixels
from trainer.config.lookup import UsageError
from trainer.config.own_images import Reading
from trainer.data.decoding import DamagedPicture, background, decoded_file, square

PLAIN = Reading()
SIDE = 12


def stored(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pixels(content, side=SIDE, reading=PLAIN):
    """int [side, side, 3] of a file's content."""
    result = square(decoded_file(content, side), side, reading)
    assert result.pixels.dtype == np.uint8
    assert result.pixels.shape == (3, side, side)
    return result.pixels.transpose(1, 2, 0).astype(int)


RGB = random_pixels(0)


@pytest.mark.parametrize(
    ("kind", "options"), [("PNG", {}), ("WEBP", {"lossless": True}), ("BMP", {}), ("TIFF", {})]
)
def test_a_picture_of_the_right_size_is_taken_as_it_is(kind, options):
    assert (pixels(stored(Image.fromarray(RGB), kind, **options)) == RGB).all()


def test_jpeg_is_close_to_what_was_stored():
    smooth = np.linspace(0, 255, SIDE).astype(np.uint8)[None, :, None] * np.ones((SIDE, 1, 3))
    content = stored(Image.fromarray(smooth.astype(np.uint8)), "JPEG", quality=95)
    assert abs(pixels(content) - smooth).max() < 12


def test_grey_has_three_equal_channels():
    grey = RGB[..., 0]
    assert (pixels(stored(Image.fromarray(grey))) == grey[..., None]).all()


def test_sixteen_bits_are_scaled_and_not_clipped():
    values = np.linspace(0, 65_535, SIDE * SIDE).reshape(SIDE, SIDE).astype(np.uint16)
    found = pixels(stored(Image.fromarray(values)))
    assert (found == np.rint(values / 257)[..., None]).all()
    assert len(np.unique(found)) > 100, "read as they are, 99 % of them would be white"


def test_integers_beyond_sixteen_bits_and_floats_have_no_white():
    wide = stored(Image.fromarray(np.full((SIDE, SIDE), 70_000, np.int32)), "TIFF")
    with pytest.raises(DamagedPicture, match="reach from 70000 to 70000"):
        pixels(wide)
    with pytest.raises(DamagedPicture, match="floats"):
        pixels(stored(Image.fromarray(np.ones((SIDE, SIDE), np.float32)), "TIFF"))


def test_one_bit_palette_and_cmyk():
    bits = RGB[..., 0] > 127
    assert (pixels(stored(Image.fromarray(bits))) == 255 * bits[..., None]).all()
    few = (RGB // 128) * 255
    palette = Image.fromarray(few).convert("P", palette=Image.Palette.ADAPTIVE)
    assert (pixels(stored(palette)) == few).all()
    cmyk = Image.fromarray(RGB).convert("CMYK")
    found = pixels(stored(cmyk, "TIFF"))
    assert abs(found - RGB).max() <= 2


@pytest.mark.parametrize(("colour", "value"), [("white", 255), ("#000000", 0)])
def test_what_is_transparent_shows_the_background(colour, value):
    alpha = np.zeros((SIDE, SIDE), np.uint8)
    alpha[:6] = 255
    image = Image.fromarray(np.dstack([RGB, alpha]))
    reading = Reading(background=colour)
    found = pixels(stored(image), reading=reading)
    assert (found[:6] == RGB[:6]).all()
    assert (found[6:] == value).all()
    grey = Image.fromarray(np.dstack([RGB[..., 0], alpha]), "LA")
    found = pixels(stored(grey), reading=reading)
    assert (found[:6] == RGB[:6, :, :1]).all()
    assert (found[6:] == value).all()
    assert square(decoded_file(stored(image), SIDE), SIDE, reading).transparent


def test_a_palette_with_a_transparent_colour():
    index = (RGB[..., 0] > 127).astype(np.uint8)
    image = Image.fromarray(index, "P")
    image.putpalette([255, 0, 0, 0, 0, 255])
    found = pixels(stored(image, transparency=0))
    assert (found == np.where(index[..., None], [0, 0, 255], [255, 255, 255])).all()


def test_opaque_alpha_is_not_counted_as_transparent():
    image = Image.fromarray(np.dstack([RGB, np.full((SIDE, SIDE), 255, np.uint8)]))
    result = square(decoded_file(stored(image), SIDE), SIDE, PLAIN)
    assert not result.transparent
    assert (result.pixels.transpose(1, 2, 0) == RGB).all()


def test_exif_says_which_side_is_up():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    assert (pixels(stored(Image.fromarray(RGB), exif=exif)) == np.rot90(RGB, -1)).all()


def test_the_centre_is_cropped_or_the_whole_is_fitted_in():
    wide = random_pixels(1, SIDE, 3 * SIDE)
    assert (pixels(stored(Image.fromarray(wide))) == wide[:, SIDE : 2 * SIDE]).all()
    found = pixels(stored(Image.fromarray(wide)), reading=Reading(fit=True, background="black"))
    assert (found[:4] == 0).all()
    assert (found[8:] == 0).all()
    assert found[4:8].std() > 0


def test_a_line_of_pixels_is_fitted_in():
    thin = np.zeros((1, 500, 3), np.uint8)
    found = pixels(stored(Image.fromarray(thin)), reading=Reading(fit=True))
    assert (found == 0).all(axis=(1, 2)).sum() == 1


def test_big_ones_shrink_by_all_of_their_pixels_and_small_ones_grow():
    checks = np.indices((96, 96)).sum(0) % 2 * np.uint8(255)
    found = pixels(stored(Image.fromarray(checks.astype(np.uint8))))
    assert abs(found - 127.5).max() < 2, "picking pixels would give black or white"
    result = square(decoded_file(png(0, 5, 5), SIDE), SIDE, PLAIN)
    assert result.enlarged
    assert not square(decoded_file(png(0), SIDE), SIDE, PLAIN).enlarged


def test_a_big_jpeg_comes_to_the_same_as_without_the_shortcut():
    ramp = np.linspace(0, 255, 640)
    smooth = np.stack([np.add.outer(ramp, ramp[::-1]) / 2] * 3, axis=2).astype(np.uint8)
    content = stored(Image.fromarray(smooth), "JPEG", quality=95)
    assert decoded_file(content, SIDE).size < (640, 640)
    full = square(Image.open(io.BytesIO(content)), SIDE, PLAIN).pixels.transpose(1, 2, 0)
    assert abs(pixels(content) - full.astype(int)).max() <= 3


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a letter to a friend", "no picture, or none of a known format"),
        (png(0)[:100], "truncated"),
        (png(0)[:60] + b"\0" * 40 + png(0)[100:], "broken|truncated|CRC|decompress"),
        (b"", "no picture"),
    ],
)
def test_a_damaged_file(content, reason):
    with pytest.raises(DamagedPicture, match=reason):
        pixels(content)


def test_a_bomb_of_pixels_is_refused_before_it_is_decoded():
    with pytest.raises(DamagedPicture, match="12 x 12 pixels are more than the 143 that"):
        decoded_file(png(0), SIDE, most_pixels=143)
    decoded_file(png(0), SIDE, most_pixels=144)


def test_a_background_is_a_colour():
    assert background("#102030") == (16, 32, 48)
    with pytest.raises(UsageError, match=r"--background is a colour like white.* not 'nothing'"):
        background("nothing")
