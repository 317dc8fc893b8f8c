"""How a cost grows with a size: the measured curve, the one expected, and their exponents.

An exponent is the slope of the straight line through the points in logarithms, of all of them or
of the last two; where these differ the curve bends, mostly for a cost that does not grow and
counts less and less.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, PER_ROW = 300, 240, 4
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 40, 34
MEASURED, EXPECTED = "#0072B2", "#D55E00"  # Okabe and Ito


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """`cost` in `unit` at each of `sizes`; `expected` in any unit, for its shape counts."""

    axis: str
    what: str
    unit: str
    sizes: Sequence[float]
    cost: Sequence[float]
    expected: Sequence[float]

    @property
    def name(self) -> str:
        return f"{self.what} by {self.axis}"

    @property
    def through_last(self) -> list[float]:
        """What is expected, so that it meets the measured curve at the last point."""
        return [value * self.cost[-1] / self.expected[-1] for value in self.expected]


def power(sizes: Sequence[float], exponent: float) -> list[float]:
    return [size**exponent for size in sizes]


def slope(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Of log(value) over log(size), by least squares; NaN where a value has no logarithm."""
    if min(values) <= 0:
        return math.nan
    logs = [[math.log(each) for each in column] for column in (sizes, values)]
    return statistics.linear_regression(*logs).slope


def last_slope(sizes: Sequence[float], values: Sequence[float]) -> float:
    return slope(sizes[-2:], values[-2:])


def table(curves: Iterable[Curve]) -> list[str]:
    lines = [
        f"{'':34}{'exponent':>9}{'expected':>9}{'at the end':>12}{'expected':>9}  "
        "cost at each size (expected through the last)"
    ]
    for c in curves:
        fits = [
            fit(c.sizes, values) for fit in (slope, last_slope) for values in (c.cost, c.expected)
        ]
        points = "  ".join(
            f"{size:g}: {cost:.3g} ({expected:.3g})"
            for size, cost, expected in zip(c.sizes, c.cost, c.through_last, strict=True)
        )
        lines.append(
            f"{c.name + ', ' + c.unit:34}{fits[0]:9.2f}{fits[1]:9.2f}{fits[2]:12.2f}{fits[3]:9.2f}"
            f"  {points}"
        )
    return lines


def svg(curves: Sequence[Curve]) -> str:
    """A panel per curve, both axes logarithmic: measured with dots, expected dashed."""
    rows = math.ceil(len(curves) / PER_ROW)
    panels = "".join(
        f'<g transform="translate({WIDTH * (n % PER_ROW)} {HEIGHT * (n // PER_ROW)})">{_panel(c)}'
        "</g>\n"
        for n, c in enumerate(curves)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH * PER_ROW}" '
        f'height="{HEIGHT * rows}" font-family="sans-serif" font-size="11">\n'
        '<rect width="100%" height="100%" fill="white"/>\n'
        f"{panels}</svg>\n"
    )


def _panel(c: Curve) -> str:
    x = _Axis.of(c.sizes, LEFT, WIDTH - RIGHT)
    y = _Axis.of([*c.cost, *c.through_last], HEIGHT - BOTTOM, TOP)
    exponents = f"{slope(c.sizes, c.cost):.2f}, expected {slope(c.sizes, c.expected):.2f}"
    parts = [
        _text(LEFT, 16, f"{c.what}, {c.unit}", size=13),
        _text(LEFT, 31, f"exponent {exponents}", colour="#555"),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4, c.axis, anchor="middle"),
    ]
    for at in c.sizes:
        parts.append(_text(x(at), HEIGHT - BOTTOM + 14, f"{at:g}", anchor="middle"))
    for at in y.marks():
        parts.append(_line([(LEFT, y(at)), (WIDTH - RIGHT, y(at))], "#ddd"))
        parts.append(_text(LEFT - 4, y(at) + 4, f"{at:g}", anchor="end"))
    expected = [(x(s), y(v)) for s, v in zip(c.sizes, c.through_last, strict=True)]
    measured = [(x(s), y(v)) for s, v in zip(c.sizes, c.cost, strict=True)]
    parts += [_line(expected, EXPECTED, dash="5 4"), _line(measured, MEASURED)]
    parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{MEASURED}"/>' for a, b in measured]
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class _Axis:
    """From the logarithms `low` .. `high` to the pixels `start` .. `end`."""

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def of(cls, values: Sequence[float], start: float, end: float) -> _Axis:
        low, high = math.log10(min(values)), math.log10(max(values))
        pad = 0.06 * max(high - low, 0.3)
        return cls(low - pad, high + pad, start, end)

    def __call__(self, value: float) -> float:
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def marks(self) -> list[float]:
        """Powers of ten; with 2 and 5 times them where there are few."""
        decades = range(math.floor(self.low), math.ceil(self.high) + 1)
        for steps in ((1,), (1, 2, 5)):
            found = [step * 10.0**k for k in decades for step in steps]
            found = [v for v in found if self.low <= math.log10(v) <= self.high]
            if len(found) > 2:
                break
        return found


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", size: int = 11, colour: str = "black"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
        f'fill="{colour}">{escape(text)}</text>'
    )


def _line(points: Sequence[tuple[float, float]], colour: str, dash: str = "none") -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return (
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5" '
        f'stroke-dasharray="{dash}"/>'
    )
