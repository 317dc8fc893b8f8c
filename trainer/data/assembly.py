"""Assembles a set from its pictures: decodes all, orders them, hashes them, splits them."""

from __future__ import annotations

import bisect
import hashlib
import json
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from trainer.config.lookup import UsageError
from trainer.config.own_images import HELD_OUT_SHARE, Reading
from trainer.data.decoding import DamagedPicture, Square, background, square
from trainer.data.entries import APPLE_DOUBLE, Entry, Listing
from trainer.machine_limits import cpus

# Raised when the same pictures would become other squares.
DECODER = 1
MOST_WORKERS = 16
# Called with the numbers of pictures read and in all.
Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Tally:
    """Results of all pictures, in the order in which they came."""

    digests: list[bytes] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    labels: list[str | None] = field(default_factory=list)
    damaged: list[tuple[str, str]] = field(default_factory=list)
    enlarged: int = 0
    transparent: int = 0


def decode_all(
    found: Listing, resolution: int, reading: Reading, file: BinaryIO, progress: Progress
) -> Tally:
    """Writes the squares of all pictures one after another, and keeps what is known of them."""
    tally, workers = Tally(), min(MOST_WORKERS, cpus())
    waiting: deque[tuple[Entry, Future[tuple[bytes, Square]]]] = deque()

    def take() -> None:
        entry, future = waiting.popleft()
        try:
            digest, result = future.result()
        except DamagedPicture as error:
            tally.damaged.append((entry.name, str(error)))
            return
        file.write(result.pixels.tobytes())
        tally.digests.append(digest)
        tally.names.append(entry.name)
        tally.labels.append(entry.label)
        tally.enlarged += result.enlarged
        tally.transparent += result.transparent

    with warnings.catch_warnings(), ThreadPoolExecutor(workers) as pool:
        # Pillow warns of what the decoder finds out by itself, or does not need.
        warnings.simplefilter("ignore")
        for done, entry in enumerate(found.entries):
            progress(done, found.n)
            waiting.append((entry, pool.submit(_decode, entry, resolution, reading)))
            if len(waiting) > 4 * workers:
                take()
        while waiting:
            take()
    progress(found.n, found.n)
    return tally


def _decode(entry: Entry, resolution: int, reading: Reading) -> tuple[bytes, Square]:
    content = entry.read()
    if entry.name.rpartition("/")[2].startswith(APPLE_DOUBLE):
        raise DamagedPicture("macOS's notes on a file, and no picture")
    return hashlib.sha256(content).digest(), square(
        entry.decode(content, resolution), resolution, reading
    )


def classes_of(root: Path, tally: Tally) -> list[str]:
    """Names of the classes in the order of their labels: numbers by size, else by the alphabet."""
    labels: set[str] = set()
    for name, label in zip(tally.names, tally.labels, strict=True):
        if label is None:
            raise UsageError(
                f"--conditional needs a class for every picture, a folder or a label, and {name} "
                f"in {root} has none"
            )
        labels.add(label)
    if len(labels) < 2:
        raise UsageError(
            f"--conditional needs at least two classes, and all of {root} is of {labels.pop()!r}"
        )
    numbers = all(label.isdecimal() for label in labels)
    return sorted(labels, key=(lambda label: (int(label), label)) if numbers else None)


def content_hash(
    tally: Tally,
    order: Sequence[int],
    labels: Sequence[int],
    classes: Sequence[str] | None,
    resolution: int,
    reading: Reading,
) -> str:
    """SHA-256 over all that decides about pixels, labels and the split."""
    colour = background(reading.background) if tally.transparent or reading.fit else None
    head = [DECODER, resolution, reading.fit, colour, classes is not None and len(classes)]
    digest = hashlib.sha256(json.dumps(head).encode())
    for k in order:
        digest.update(tally.digests[k])
        if classes is not None:
            digest.update(labels[k].to_bytes(4, "big"))
    return digest.hexdigest()


def held_out_count(digests: Sequence[bytes]) -> int:
    """Number of held-out pictures among these sorted digests: those whose hash is in the lowest
    tenth, though at least one, and not all."""
    limit = int(HELD_OUT_SHARE * 2**64).to_bytes(8, "big")
    return min(max(1, bisect.bisect_left(digests, limit)), len(digests) - 1)
