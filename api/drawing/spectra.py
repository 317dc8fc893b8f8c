"""Spectra as heat maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import plotly.graph_objects as go

from api.drawing.lines import iteration_axis


class SpectrumRow(Protocol):
    """Singular values of one layer at one iteration, the largest first."""

    @property
    def iteration(self) -> int: ...
    @property
    def singular_values(self) -> Sequence[float | None]: ...


# Rows of a heat map: more than a screen shows of a spectrum, and a small answer.
HEAT_ROWS = 96
HEAT_PAD = 0.04
# Curves of a spectrum in one picture: the paper has about as many.
SNAPSHOTS = 6


def span(rows: Sequence[SpectrumRow]) -> list[float]:
    """The axis over the data alone: labels of marks would widen it."""
    return iteration_axis(rows[0].iteration, rows[-1].iteration, HEAT_PAD)


def heat(rows: Sequence[SpectrumRow]) -> go.Heatmap:
    """Draws spectra over iterations.

    Columns are iterations, the largest singular value at the bottom, brightness sigma_k/s_1.
    """
    grid = np.linspace(0, 1, min(HEAT_ROWS, max(len(row.singular_values) for row in rows)))
    columns = []
    for row in rows:
        values = np.array(row.singular_values, dtype=float)
        index = np.linspace(0, 1, len(values))
        columns.append(np.interp(grid, index, values / values[0]))
    return go.Heatmap(
        x=[row.iteration for row in rows],
        y=grid.round(4),
        z=np.array(columns).T.round(4),
        zmin=0,
        zmax=1,
        colorscale="Viridis",
        colorbar={"title": {"text": "σ / σ₁"}, "thickness": 12, "outlinewidth": 0},
        hovertemplate="iteration %{x}<br>index/r %{y:.2f}<br>σ/σ₁ %{z:.3f}<extra></extra>",
    )
