"""Images cut out of a stored grid of samples, without an imaging library."""

from __future__ import annotations

import math
import random
import struct
import zlib
from dataclasses import dataclass

PNG_START = b"\x89PNG\r\n\x1a\n"
# Rows and columns of the grids that the trainer writes.
GRID = 8
IMAGES = GRID**2
# B a pixel of 8-bit colours, red, green and blue.
PIXEL = 3


@dataclass(frozen=True, slots=True)
class Pixels:
    """Pixels of an image, three bytes each, in rows."""

    width: int
    height: int
    content: bytes

    def row(self, y: int, x: int, width: int) -> bytes:
        start = PIXEL * (y * self.width + x)
        return self.content[start : start + PIXEL * width]


def chosen_images(n: int, seed: int) -> list[int]:
    """Numbers of `n` of a grid's images, no one twice: the same for the same seed."""
    return random.Random(seed).sample(range(IMAGES), n)


def cut(grid: Pixels, numbers: list[int]) -> Pixels:
    """Puts images of a grid together to a new one, about as wide as high; black where it is not
    full. Raises ValueError if the picture is no grid."""
    size, remainder = divmod(grid.width, GRID)
    if remainder or grid.width != grid.height:
        raise ValueError(f"{grid.width}x{grid.height} pixels are no grid of {IMAGES} images")
    columns = math.ceil(math.sqrt(len(numbers)))
    lines = []
    for first in range(0, len(numbers), columns):
        across = numbers[first : first + columns]
        for y in range(size):
            cells = [grid.row(k // GRID * size + y, k % GRID * size, size) for k in across]
            lines.append(b"".join(cells).ljust(PIXEL * size * columns, b"\0"))
    return Pixels(size * columns, len(lines), b"".join(lines))


def decoded(png: bytes) -> Pixels:
    """Pixels of a PNG of 8-bit colours, as the trainer writes it. Raises ValueError for others."""
    if not png.startswith(PNG_START):
        raise ValueError("it is no PNG")
    place, packed, header = len(PNG_START), b"", b""
    while place < len(png):
        (length,) = struct.unpack_from(">I", png, place)
        kind, data = png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        if kind == b"IHDR":
            header = data
        elif kind == b"IDAT":
            packed += data
        place += 12 + length
    width, height, depth, colours, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    if (depth, colours, interlaced) != (8, 2, 0):
        raise ValueError("it is no PNG of 8-bit colours in rows")
    lines = zlib.decompress(packed)
    stride = PIXEL * width
    above, rows = bytearray(stride), []
    for y in range(height):
        start = y * (stride + 1)
        line = bytearray(lines[start + 1 : start + 1 + stride])
        _unfilter(lines[start], line, above)
        rows.append(line)
        above = line
    return Pixels(width, height, b"".join(rows))


def _unfilter(kind: int, line: bytearray, above: bytearray) -> None:
    """Restores a line's bytes by the line above: section 9 of the PNG specification."""
    if kind == 0:
        return
    for k, value in enumerate(line):
        before = line[k - PIXEL] if k >= PIXEL else 0
        if kind == 1:
            guess = before
        elif kind == 2:
            guess = above[k]
        elif kind == 3:
            guess = (before + above[k]) // 2
        elif kind == 4:
            guess = _paeth(before, above[k], above[k - PIXEL] if k >= PIXEL else 0)
        else:
            raise ValueError(f"filter {kind} is none of PNG's")
        line[k] = (value + guess) & 0xFF


def _paeth(before: int, upper: int, corner: int) -> int:
    guess = before + upper - corner
    by_distance = (abs(guess - before), 0, before), (abs(guess - upper), 1, upper)
    return min(*by_distance, (abs(guess - corner), 2, corner))[2]


def encoded(pixels: Pixels) -> bytes:
    """The pixels as a PNG."""
    rows = [b"\0" + pixels.row(y, 0, pixels.width) for y in range(pixels.height)]
    header = struct.pack(">IIBBBBB", pixels.width, pixels.height, 8, 2, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows), 6)), (b"IEND", b"")
    return PNG_START + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
