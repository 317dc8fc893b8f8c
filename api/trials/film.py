"""Which stored samples are shown side by side: around a collapse, and over a run. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

# Columns of a film: as many thumbnails as stand beside each other on a laptop.
FRAMES = 6


def moments(samples: Sequence[int], collapse: int | None) -> list[tuple[str, int]]:
    """(word, iteration) of the last samples before `collapse`, those at it and the next ones.

    `samples` are the iterations at which there are any, ascending. Empty without a collapse or
    where none are from it on.
    """
    if collapse is None or not samples or samples[-1] < collapse:
        return []
    there = next(k for k, iteration in enumerate(samples) if iteration >= collapse)
    words = {there - 1: "before mode collapse", there: "where it began", there + 1: "after"}
    return [(word, samples[k]) for k, word in words.items() if 0 <= k < len(samples)]


def frames(steps: Sequence[int]) -> list[int]:
    """At most FRAMES of the ascending iterations, evenly spread, the first and last among them."""
    if len(steps) <= FRAMES:
        return list(steps)
    last = len(steps) - 1
    return [steps[round(k * last / (FRAMES - 1))] for k in range(FRAMES)]


def film(samples: Sequence[int], columns: Sequence[int]) -> list[int | None]:
    """The last samples up to each iteration of `columns`; None before the first and after the
    last, where the run had ended or has not come yet."""
    row = []
    for iteration in columns:
        k = bisect_right(samples, iteration) - 1
        is_there = k >= 0 and iteration <= samples[-1]
        row.append(samples[k] if is_there else None)
    return row
