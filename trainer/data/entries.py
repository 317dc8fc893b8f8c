"""Entries: pictures before they are decoded, and the listing of a place that holds them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from PIL import Image

from trainer.data.decoding import decoded_file

PICTURES = frozenset(
    [".jpg", ".jpeg", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm"]
)
MOST_BYTES = 2**29
# What macOS puts beside a file that it copies to a foreign disk or into a zip.
APPLE_DOUBLE = "._"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A picture: `read` gives the bytes that identify it, `decode` makes a picture of them, for a
    square of the side, or raises DamagedPicture. `label` names its class, None without one."""

    name: str
    read: Callable[[], bytes]
    label: str | None = None
    decode: Callable[[bytes, int], Image.Image] = decoded_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Pictures of a place: `fingerprint` is of names, sizes and times, without any content;
    `others` are names of files that are no pictures; `entries` may be walked once."""

    fingerprint: str
    n: int
    others: Sequence[str]
    entries: Iterable[Entry]


def is_picture(name: str) -> bool:
    """Tells whether a file of this name is taken for a picture."""
    return PurePosixPath(name).suffix.lower() in PICTURES


def digest_of(root: Path, lines: Iterable[str]) -> str:
    """SHA-256 of a place and what is listed there."""
    digest = hashlib.sha256(str(root.resolve()).encode(errors="surrogateescape"))
    for line in lines:
        digest.update(line.encode(errors="surrogateescape") + b"\0")
    return digest.hexdigest()


def file_stamp(path: Path) -> str:
    """Size and time of change of a file, which tell whether it is as it was."""
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns}"


def too_big(size: int) -> str:
    """Says that a picture's file is not read for its size."""
    return f"{size:,} bytes are more than the {MOST_BYTES:,} that are read"
