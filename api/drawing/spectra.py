"""Spectra as heat maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

from api.drawing.lines import iteration_axis
from api.drawing.look import VIRIDIS_SCALE


class SpectrumRow(Protocol):
    """Singular values of one layer at one iteration, the largest first."""

    @property
    def iteration(self) -> int: ...
    @property
    def singular_values(self) -> Sequence[float | None]: ...


# Rows of a heat map: more than a screen shows of a spectrum, and a small answer.
HEAT_ROWS = 96
HEAT_PAD = 0.04
COLOUR_BAR = {"title": {"text": "σ / σ₁"}, "thickness": 12, "outlinewidth": 0}
# Curves of a spectrum in one picture: the paper has about as many.
SNAPSHOTS = 6


def span(rows: Sequence[SpectrumRow]) -> list[float]:
    """The axis over the data alone: labels of marks would widen it."""
    return iteration_axis(rows[0].iteration, rows[-1].iteration, HEAT_PAD)


def heat(rows: Sequence[SpectrumRow]) -> dict[str, Any]:
    """The trace of spectra over iterations, without its colours.

    Columns are iterations, the largest singular value at the bottom, brightness sigma_k/s_1.
    """
    height = min(HEAT_ROWS, max(len(row.singular_values) for row in rows))
    places = [k / max(1, height - 1) for k in range(height)]
    columns = [_shares_at(places, row.singular_values) for row in rows]
    return {
        "x": [row.iteration for row in rows],
        "y": [round(place, 4) for place in places],
        "z": [list(line) for line in zip(*columns, strict=True)],
        "hovertemplate": "iteration %{x}<br>index/r %{y:.2f}<br>σ/σ₁ %{z:.3f}<extra></extra>",
    }


def heat_colours(**bar: float) -> dict[str, Any]:
    """The colours of a heat map from 0 to 1, and the bar that explains them."""
    return {"zmin": 0, "zmax": 1, "colorscale": VIRIDIS_SCALE, "colorbar": COLOUR_BAR | bar}


def _shares_at(places: Sequence[float], values: Sequence[float | None]) -> list[float]:
    """Singular values over the largest, interpolated; NaN beside one that is not finite.

    A place is 0 for the first singular value, 1 for the last.
    """
    first = values[0] if values else None
    if not first:
        return [math.nan] * len(places)
    shares = [math.nan if value is None else value / first for value in values]
    positions = [place * (len(shares) - 1) for place in places]
    return [round(_between(shares, position), 4) for position in positions]


def _between(values: Sequence[float], position: float) -> float:
    """The value at an index that may lie between two."""
    before = int(position)
    if position == before:
        return values[before]
    low = values[before]
    return low + (values[before + 1] - low) * (position - before)
