"""The spectrum of a layer: over iterations, and at some of them one over the other. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from api.drawing import thinning
from api.drawing.figure import Figure, no_figure, styled_figure
from api.drawing.look import by_depth, mark_collapses
from api.drawing.spectra import SNAPSHOTS, heat, span
from api.trials.models import Trial
from api.trials.series import Spectrum

NOTHING = "No spectrum has been written yet."
# Columns of a heat map over iterations: as many as a screen has room for.
HEAT_COLUMNS = 400
# The cursor's own curve stands out of the shades of time in either scheme.
CURSOR_COLOUR = "#D55E00"


def thinned(rows: Sequence[Spectrum], limit: int = HEAT_COLUMNS) -> list[Spectrum]:
    """Keeps at most `limit` spectra, evenly spread, both ends among them."""
    return [rows[k] for k in thinning.indices(len(rows), limit)]


def layer_title(layer: int, names: Mapping[int, str]) -> str:
    return names.get(layer, f"layer_{layer}")


def heat_map(
    trial: Trial, rows: Sequence[Spectrum], layer: int, names: Mapping[int, str], source: str
) -> Figure:
    """All singular values of a layer over iterations, each collapse a vertical line."""
    if not rows:
        return no_figure(NOTHING, source)
    figure = go.Figure(heat(thinned(rows)))
    figure.update_xaxes(title_text="iteration", range=span(rows))
    figure.update_yaxes(title_text=f"{layer_title(layer, names)}: index / r")
    mark_collapses(figure, trial)
    figure.update_layout(meta={"cursor": True})
    return styled_figure(figure, source, 380)


def snapshots(
    rows: Sequence[Spectrum],
    iterations: Sequence[int],
    cursor: int | None,
    layer: int,
    names: Mapping[int, str],
    source: str,
) -> Figure:
    """Sorted singular values at the iterations, by default at some evenly spread, dark to bright.

    The spectrum at or before `cursor` stands out.
    """
    if not rows:
        return no_figure(NOTHING, source)
    spread = [row.iteration for row in thinned(rows, SNAPSHOTS)]
    drawn_iterations = sorted({_nearest(rows, k).iteration for k in iterations or spread})
    shades = dict(zip(drawn_iterations, by_depth(len(drawn_iterations)), strict=True))
    figure = go.Figure()
    for row in rows:
        if row.iteration in shades:
            line = {"color": shades[row.iteration], "width": 2}
            figure.add_trace(_sorted(row, str(row.iteration), line))
    if cursor is not None:
        row = _nearest(rows, cursor)
        figure.add_trace(
            _sorted(row, f"cursor, {row.iteration}", {"color": CURSOR_COLOUR, "width": 3})
        )
    figure.update_xaxes(title_text="index of the singular value, the largest first")
    figure.update_yaxes(title_text=f"{layer_title(layer, names)}: σ", range=_axis(rows), nticks=6)
    figure.update_layout(legend={"title": {"text": "iteration"}}, hovermode="x unified")
    return styled_figure(figure, source, 380)


def _nearest(rows: Sequence[Spectrum], iteration: int) -> Spectrum:
    """The last spectrum at or before the iteration, else the first."""
    return max(rows, key=lambda row: (row.iteration <= iteration, _closeness(row, iteration)))


def _closeness(row: Spectrum, iteration: int) -> int:
    return row.iteration if row.iteration <= iteration else -row.iteration


def _sorted(row: Spectrum, name: str, line: Mapping[str, Any]) -> go.Scatter:
    values = row.singular_values
    index = [k + 1 for k in range(len(values))]
    return go.Scatter(
        x=index,
        y=values,
        name=name,
        mode="lines",
        line=dict(line),
        connectgaps=False,
        hovertemplate="%{y:.3f}",
    )


def _axis(rows: Sequence[Spectrum]) -> list[float]:
    """An axis from 0, the same whatever iterations are shown: what falls is seen to fall."""
    highest = [v for row in rows for v in row.singular_values if v is not None]
    return [0, 1.06 * max(highest, default=1.0)]


def heat_maps(
    spectra_of_trials: Sequence[tuple[str, Sequence[Spectrum]]],
    layer: int,
    columns: int,
    source: str,
) -> Figure:
    """A layer's spectrum over iterations, side by side, on one colour scale."""
    maps = [(title, rows) for title, rows in spectra_of_trials if rows]
    if not maps:
        return no_figure(NOTHING, source)
    across = min(columns, len(maps))
    down = -(-len(maps) // across)
    height = (250 if across > 1 else 190) * down + 70
    figure = make_subplots(
        rows=down,
        cols=across,
        shared_yaxes=True,
        horizontal_spacing=0.03,
        vertical_spacing=min(0.2, 62 / height) if down > 1 else 0,
        subplot_titles=[title for title, _ in maps],
    )
    figure.update_annotations(font={"size": 13})
    for place, (title, rows) in enumerate(maps):
        row, column = divmod(place, across)
        trace = heat(thinned(rows, HEAT_COLUMNS // len(maps)))
        trace.update(coloraxis="coloraxis", zmin=None, zmax=None, colorscale=None, colorbar=None)
        trace.update(name=title)
        figure.add_trace(trace, row=row + 1, col=column + 1)
        figure.update_xaxes(range=span(rows), nticks=5, row=row + 1, col=column + 1)
    bar = {"title": {"text": "σ / σ₁"}, "thickness": 12, "outlinewidth": 0}
    figure.update_layout(
        coloraxis={"cmin": 0, "cmax": 1, "colorscale": "Viridis", "colorbar": bar},
        meta={"cursor": True},
    )
    figure.update_xaxes(title_text="iteration", row=down)
    figure.update_yaxes(title_text=f"layer_{layer}: index / r", col=1)
    return styled_figure(figure, source, height, trials=len(maps))
