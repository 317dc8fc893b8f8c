"""Stacked panels of curves on one axis of iterations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from api.drawing.lines import Curve, axis, bounds
from api.drawing.panel_grid import (
    Drawing,
    add_annotation,
    add_scatter,
    panel_grid,
    references,
    set_x_axes,
    set_y_axes,
)

PANEL_HEIGHT = 150
EDGES = 84
# Opacity of the range between the points of a downsampled curve.
BAND = 0.22


@dataclass(frozen=True, slots=True, kw_only=True)
class Stroke:
    """A curve as it is drawn. One that is not `sound`, of a run that diverged, may leave the axis.

    It is drawn over iterations, or over `x`. `texts` are what its points tell under the pointer,
    `opacity` that of its band.
    """

    line: Curve
    name: str
    colour: str
    dash: str = "solid"
    width: float = 2.0
    legend: str | None = None
    sound: bool = True
    x: Sequence[float] | None = None
    texts: Sequence[str] | None = None
    opacity: float = BAND

    @property
    def places(self) -> Sequence[float]:
        """Positions on the x axis: by default the iterations."""
        return self.line.x if self.x is None else self.x


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePanel:
    title: str
    strokes: Sequence[Stroke]


def stacked(panels: Sequence[CurvePanel], x_title: str, *, logarithmic: bool = False) -> Drawing:
    """The panels, each with an axis of its own; values beyond it are marked at its edge."""
    drawing = panel_grid(
        rows=len(panels),
        shared_x="columns",
        vertical_spacing=min(0.05, 30 / height_of(panels)),
        titles=[panel.title for panel in panels],
        title_look={"x": 0, "xanchor": "left"},
    )
    legends: set[str] = set()
    for row, panel in enumerate(panels, start=1):
        _draw(drawing, row, panel, logarithmic, legends)
    set_x_axes(drawing, row=len(panels), title=x_title)
    return drawing


def height_of(panels: Sequence[CurvePanel]) -> int:
    return PANEL_HEIGHT * len(panels) + EDGES


def _draw(
    drawing: Drawing, row: int, panel: CurvePanel, wants_log: bool, legends: set[str]
) -> None:
    sound = [stroke.line for stroke in panel.strokes if stroke.sound]
    limits = bounds(sound, [stroke.line for stroke in panel.strokes if not stroke.sound])
    values = [value for stroke in panel.strokes for value in stroke.line.values]
    logarithmic = wants_log and bool(values) and min(values) > 0
    markers = all(len(stroke.line.x) <= 60 for stroke in panel.strokes)
    for stroke in panel.strokes:
        if stroke.line.low:
            _band(drawing, row, stroke)
        first = stroke.legend is not None and stroke.legend not in legends
        add_scatter(
            drawing,
            (row, 1),
            x=stroke.places,
            y=stroke.line.y,
            name=stroke.name,
            mode="lines+markers" if markers else "lines",
            line={"color": stroke.colour, "width": stroke.width, "dash": stroke.dash},
            marker={"size": 4},
            connectgaps=False,
            text=stroke.texts,
            hovertemplate=None if stroke.texts is None else "%{text}<extra></extra>",
            showlegend=first,
            legendgroup=stroke.legend,
        )
        if stroke.legend is not None:
            legends.add(stroke.legend)
    if limits is None:
        return
    axis_range = axis(limits, logarithmic=logarithmic)
    set_y_axes(
        drawing, row=row, range=axis_range, type="log" if logarithmic else "linear", nticks=5
    )
    low, high = (10**end for end in axis_range) if logarithmic else axis_range
    beyond = [_marks(drawing, row, stroke, (low, high)) for stroke in panel.strokes]
    _note(drawing, row, sum(n for n, _ in beyond), sum(n for _, n in beyond))


def _band(drawing: Drawing, row: int, stroke: Stroke) -> None:
    x = [*stroke.places, *reversed(stroke.places)]
    y = [*stroke.line.high, *reversed(stroke.line.low)]
    points = [(position, value) for position, value in zip(x, y, strict=True) if value is not None]
    add_scatter(
        drawing,
        (row, 1),
        x=[position for position, _ in points],
        y=[value for _, value in points],
        fill="toself",
        fillcolor=stroke.colour,
        opacity=stroke.opacity,
        mode="none",
        hoverinfo="skip",
        showlegend=False,
        legendgroup=stroke.legend,
        name=f"{stroke.name}: range",
    )


def _marks(
    drawing: Drawing, row: int, stroke: Stroke, edges: tuple[float, float]
) -> tuple[int, int]:
    """Marks values off the axis at the edge of the panel; returns how many, and how many odd.

    The mark tells the value: an axis that ends before it does not hide it.
    """
    low, high = edges
    line = stroke.line
    place = dict(zip(line.x, stroke.places, strict=True))
    tops = line.high or line.y
    beyond = [
        (
            place[x],
            high if v > high else low,
            "triangle-up" if v > high else "triangle-down",
            f"{v:.4g}, off the axis",
        )
        for x, top, y in zip(line.x, tops, line.y, strict=True)
        for v in [top if top is not None and top > high else y]
        if v is not None and not low <= v <= high
    ]
    odd = [(place[x], high, "x", "not finite") for x in line.odd]
    marks: list[tuple[Any, ...]] = beyond + odd
    if marks:
        add_scatter(
            drawing,
            (row, 1),
            x=[mark[0] for mark in marks],
            y=[mark[1] for mark in marks],
            mode="markers",
            marker={"symbol": [mark[2] for mark in marks], "size": 9, "color": stroke.colour},
            text=[f"{stroke.name}: {mark[3]}" for mark in marks],
            cliponaxis=False,
            hovertemplate="%{x}: %{text}<extra></extra>",
            showlegend=False,
            legendgroup=stroke.legend,
            name=f"{stroke.name}: off the axis",
        )
    return len(beyond), len(odd)


def _note(drawing: Drawing, row: int, beyond: int, odd: int) -> None:
    notes = [f"▲ {beyond} off the axis"] * bool(beyond) + [f"✕ {odd} not finite"] * bool(odd)
    if notes:
        add_annotation(
            drawing,
            x=1,
            y=1,
            **references(drawing, (row, 1), "domain", "domain"),
            xanchor="right",
            yanchor="bottom",
            text=", ".join(notes),
            font={"size": 11},
        )
