"""Reads own pictures before anything trains, and says what was found: no torch."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from trainer.config.lookup import UsageError
from trainer.config.own_images import RESOLUTIONS, Reading
from trainer.data.collection import Collection, collect, refuse_damaged

MOST_NAMES = 3
_BAR = 30


def prepare(root: Path, resolution: int, *, conditional: bool, reading: Reading) -> Collection:
    """The decoded pictures at `root`; progress and what was found go to stderr.

    Raises UsageError if they cannot be trained on, or if some are damaged and not to be skipped.
    """
    if resolution not in RESOLUTIONS:
        sizes = ", ".join(map(str, RESOLUTIONS))
        raise UsageError(f"--resolution is one of {sizes}, not {resolution}")
    progress = ProgressLine()
    try:
        collection = collect(
            root, resolution, conditional=conditional, reading=reading, progress=progress
        )
    finally:
        progress.end()
    if not reading.skip_damaged:
        refuse_damaged(collection, root)
    for line in summary(collection, root, reading):
        sys.stderr.write(line + "\n")
    return collection


def summary(collection: Collection, root: Path, reading: Reading) -> list[str]:
    """Lines on what was found, and on what was done to it."""
    c, identity = collection, collection.identity
    classes = "" if c.classes is None else f" of {len(c.classes)} classes"
    lines = [
        f"{root}: {c.n:,} pictures{classes}, {identity.images:,} to train on and {c.held_out:,} "
        f"held out, as {identity.name}"
    ]
    if c.damaged:
        names = _some([f"{name} ({reason})" for name, reason in c.damaged], len(c.damaged))
        lines.append(f"{len(c.damaged):,} damaged ones are left out: {names}")
    if c.enlarged:
        lines.append(f"{c.enlarged:,} are smaller than {c.resolution} pixels and enlarged")
    if c.transparent:
        lines.append(
            f"{c.transparent:,} are transparent in part and stand on {reading.background}"
        )
    if c.others:
        n = len(c.others)
        lines.append(f"{n:,} other files are left alone: {_some(c.others, MOST_NAMES)}")
    return lines


def _some(names: Sequence[str], most: int) -> str:
    return ", ".join(names[:most]) + (", .." if len(names) > most else "")


class ProgressLine:
    """A bar on a terminal; elsewhere a line every half minute, and none of short work."""

    def __init__(self) -> None:
        self.start = self.last = time.monotonic()
        self.on_terminal = sys.stderr.isatty()
        self.drawn = False

    def __call__(self, done: int, n: int) -> None:
        now = time.monotonic()
        if now - self.last < (0.1 if self.on_terminal else 30) or not done:
            return
        self.last = now
        left = round((now - self.start) / done * (n - done))
        text = f"reading pictures  {done:,}/{n:,}  ETA {left // 60}:{left % 60:02d}"
        if self.on_terminal:
            full = _BAR * done // n
            sys.stderr.write(f"\r\x1b[K[{'#' * full}{'.' * (_BAR - full)}] {text}")
            sys.stderr.flush()
            self.drawn = True
        else:
            sys.stderr.write(text + "\n")

    def end(self) -> None:
        """Takes the bar away."""
        if self.drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
