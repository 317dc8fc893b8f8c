"""Prepares curves for drawing: downsampled, on an axis that no outlier squashes. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from api.drawing import thinning
from api.reading.snapshot import Row

# Points of a curve in one panel: more than a screen shows, few enough to redraw while it grows.
MOST_POINTS = 300
# Outside the 10 to 90 % quantiles by more than so many times their distance is off the axis.
REACH = 8.0
# A curve that grows beyond so many times the usual value is diverging, and off the axis too.
ORDER = 4.0
PAD = 0.06
# Room on either side of an axis of iterations, as a share of it.
ITERATION_PAD = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Values over iterations, null where they are not finite.

    Of a downsampled curve `y` has the last value of each stretch, `low` and `high` its extremes.
    `odd` are the iterations at which something was not finite.
    """

    x: Sequence[int]
    y: Sequence[float | None]
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()
    odd: Sequence[int] = ()

    @property
    def values(self) -> list[float]:
        return [v for part in (self.y, self.low, self.high) for v in part if v is not None]


def lines(rows: Sequence[Row], keys: Sequence[str], most: int = MOST_POINTS) -> dict[str, Curve]:
    """The curves of these columns, of at most `most` points each."""
    if len(rows) <= most:
        return {key: _full_curve(rows, key) for key in keys}
    parts = thinning.buckets(rows, keys, most)
    x = [part.to_iteration for part in parts]
    return {
        key: Curve(
            x=x,
            y=[part.values[key].last for part in parts],
            low=[part.values[key].min for part in parts],
            high=[part.values[key].max for part in parts],
            odd=[p.to_iteration for p in parts if p.values[key].not_finite and p.from_iteration],
        )
        for key in keys
    }


def _full_curve(rows: Sequence[Row], key: str) -> Curve:
    values = [row[key] for row in rows]
    finite = [v if v is not None and math.isfinite(v) else None for v in values]
    # Before the first iteration there is no loss: that is no divergence.
    odd = [
        row["iteration"]
        for row, value, finite_value in zip(rows, values, finite, strict=True)
        if value is not None and finite_value is None and row["iteration"] > 0
    ]
    return Curve(x=[row["iteration"] for row in rows], y=finite, odd=odd)


def layer_lines(rows: Sequence[Row], key: str, most: int = MOST_POINTS) -> list[Curve]:
    """A curve per layer of a column of lists, each as a share of its own first value."""
    filled = [row for row in rows if row[key]]
    if not filled:
        return []
    names = [str(layer) for layer in range(len(filled[0][key]))]
    first = filled[0][key]
    shares: list[Mapping[str, float | int | None]] = [
        {"iteration": row["iteration"]} | dict(zip(names, _shares(row[key], first), strict=True))
        for row in filled
    ]
    return list(lines(shares, names, most).values())


def _shares(values: Sequence[float | None], first: Sequence[float | None]) -> list[float | None]:
    padded = [*values, *([None] * len(first))][: len(first)]
    return [None if v is None or not f else v / f for v, f in zip(padded, first, strict=True)]


def bounds(sound: Iterable[Curve], unsound: Iterable[Curve] = ()) -> tuple[float, float] | None:
    """Lowest and highest value of the axis that shows them all but outliers of each curve.

    Of an unsound curve, one of a run that diverged, it shows what is of the order of the sound
    ones, or without any of its own first half.
    """
    extents = [_extent(values) for line in sound if (values := line.values)]
    order = max((abs(end) for ends in extents for end in ends), default=0.0)
    for line in unsound:
        values = line.values
        most = ORDER * (order or max((abs(v) for v in values[: len(values) // 2]), default=0.0))
        if near := [v for v in values if abs(v) <= most]:
            extents.append(_extent(near))
    if not extents:
        return None
    return min(low for low, _ in extents), max(high for _, high in extents)


def _extent(values: Sequence[float]) -> tuple[float, float]:
    ascending = sorted(values)
    low, high = _quantile(ascending, 0.1), _quantile(ascending, 0.9)
    reach = REACH * (high - low)
    if reach == 0:
        return ascending[0], ascending[-1]
    in_reach = [v for v in ascending if low - reach <= v <= high + reach]
    return in_reach[0], in_reach[-1]


def _quantile(ascending: Sequence[float], share: float) -> float:
    """The value below which that share of the values lies, between two of them interpolated."""
    position = share * (len(ascending) - 1)
    before = int(position)
    low, high = ascending[before], ascending[min(before + 1, len(ascending) - 1)]
    return low + (high - low) * (position - before)


def iteration_axis(first: int, last: int, share: float = ITERATION_PAD) -> list[float]:
    """The axis of a run's iterations with room on either side, at least one iteration wide."""
    room = max(1.0, share * (last - first))
    return [first - room, last + room]


def axis(limits: tuple[float, float], *, logarithmic: bool) -> list[float]:
    """The axis with room beyond its limits; of a logarithmic one the exponents."""
    low, high = (math.log10(v) for v in limits) if logarithmic else limits
    # A constant curve gets an axis too.
    room = PAD * (high - low) or 0.1 * abs(high) or 0.5
    return [low - room, high + room]
