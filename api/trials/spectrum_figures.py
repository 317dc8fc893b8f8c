"""The spectrum of a layer: over iterations, and at some of them one over the other. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from api.drawing import thinning
from api.drawing.figure import Figure, no_figure, styled_figure
from api.drawing.look import VIRIDIS_SCALE, by_depth, mark_collapses
from api.drawing.panel_grid import (
    Drawing,
    add_heatmap,
    add_scatter,
    panel_grid,
    set_x_axes,
    set_y_axes,
)
from api.drawing.spectra import COLOUR_BAR, SNAPSHOTS, heat, heat_colours, span
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
    drawing = panel_grid()
    add_heatmap(drawing, **heat(thinned(rows)), **heat_colours())
    set_x_axes(drawing, title="iteration", range=span(rows))
    set_y_axes(drawing, title=f"{layer_title(layer, names)}: index / r")
    mark_collapses(drawing, trial)
    drawing.layout["meta"] = {"cursor": True}
    return styled_figure(drawing, source, 380)


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
    drawing = panel_grid()
    for row in rows:
        if row.iteration in shades:
            line = {"color": shades[row.iteration], "width": 2}
            _add_sorted(drawing, row, str(row.iteration), line)
    if cursor is not None:
        row = _nearest(rows, cursor)
        line = {"color": CURSOR_COLOUR, "width": 3}
        _add_sorted(drawing, row, f"cursor, {row.iteration}", line)
    set_x_axes(drawing, title="index of the singular value, the largest first")
    set_y_axes(drawing, title=f"{layer_title(layer, names)}: σ", range=_axis(rows), nticks=6)
    drawing.layout["legend"] = {"title": {"text": "iteration"}}
    drawing.layout["hovermode"] = "x unified"
    return styled_figure(drawing, source, 380)


def _nearest(rows: Sequence[Spectrum], iteration: int) -> Spectrum:
    """The last spectrum at or before the iteration, else the first."""
    return max(rows, key=lambda row: (row.iteration <= iteration, _closeness(row, iteration)))


def _closeness(row: Spectrum, iteration: int) -> int:
    return row.iteration if row.iteration <= iteration else -row.iteration


def _add_sorted(drawing: Drawing, row: Spectrum, name: str, line: Mapping[str, Any]) -> None:
    values = row.singular_values
    add_scatter(
        drawing,
        x=[k + 1 for k in range(len(values))],
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
    drawing = panel_grid(
        rows=down,
        columns=across,
        shared_y="rows",
        horizontal_spacing=0.03,
        vertical_spacing=min(0.2, 62 / height) if down > 1 else 0,
        titles=[title for title, _ in maps],
    )
    for place, (title, rows) in enumerate(maps):
        cell = place // across + 1, place % across + 1
        trace = heat(thinned(rows, HEAT_COLUMNS // len(maps)))
        add_heatmap(drawing, cell, name=title, coloraxis="coloraxis", **trace)
        set_x_axes(drawing, row=cell[0], column=cell[1], range=span(rows), nticks=5)
    scale = {"cmin": 0, "cmax": 1, "colorscale": VIRIDIS_SCALE, "colorbar": COLOUR_BAR}
    drawing.layout["coloraxis"] = scale
    drawing.layout["meta"] = {"cursor": True}
    set_x_axes(drawing, row=down, title="iteration")
    set_y_axes(drawing, column=1, title=f"layer_{layer}: index / r")
    return styled_figure(drawing, source, height, trials=len(maps))
