"""The layout that all figures share. Pure; a figure with nothing to draw says why."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from pydantic import BaseModel, Field

from api.drawing.panel_grid import Drawing
from api.reading.snapshot import Snapshot
from api.web.addresses import public_address
from sweep.store.nonfinite import without_nonfinite

# What the legend of a figure with titles over its panels needs above them.
LEGEND_HEIGHT = 28


def no_figure(reason: str, source: str, command: str | None = None) -> Figure:
    """A figure with nothing to draw, its reason, and the command that would change that."""
    return Figure(data=[], layout={}, source=source, empty=reason, command=command)


def styled_figure(
    drawing: Drawing, source: str, height: int, *, trials: int = 1, says: str | None = None
) -> Figure:
    """The drawing as a response, in the look that all share.

    `trials` is the number of trials in it, `says` its content in words.
    """
    layout = drawing.layout | {
        "height": height,
        "margin": {"l": 64, "r": 16, "t": 36, "b": 48},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 13},
        "legend": drawing.layout.get("legend", {})
        | {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "hoverlabel": {"namelength": -1},
    }
    for axis in [name for name in layout if name.startswith(("xaxis", "yaxis"))]:
        title = {"standoff": 6, "font": {"size": 13}} | layout[axis].get("title", {})
        layout[axis] |= {"zeroline": False, "automargin": True, "title": title}
    return Figure(
        data=without_nonfinite(drawing.data),
        layout=without_nonfinite(layout),
        source=source,
        trials=trials,
        says=says,
    )


class Figure(BaseModel):
    """A Plotly figure; `empty` says why there is nothing to draw, `command` what to run then."""

    data: list[dict[str, Any]]
    layout: dict[str, Any]
    source: str = Field(description="address of the data behind the figure")
    trials: int = Field(default=0, description="how many the figure shows")
    snapshot: str | None = Field(default=None, description="of the store, as it was drawn from")
    says: str | None = Field(default=None, description="what it shows, in words")
    empty: str | None = None
    command: str | None = None


def below_legend(figure: Figure) -> Figure:
    """The figure with room between its legend and the titles of its panels."""
    margin = figure.layout["margin"] | {"t": 36 + LEGEND_HEIGHT}
    inner = figure.layout["height"] - margin["t"] - margin["b"]
    legend = figure.layout["legend"] | {"y": 1 + LEGEND_HEIGHT / inner}
    return figure.model_copy(
        update={"layout": figure.layout | {"margin": margin, "legend": legend}}
    )


def captioned(request: Request, snapshot: Snapshot, figure: Figure) -> Figure:
    """Adds the snapshot and the source, whose address holds behind a proxy, to the figure."""
    caption = {"snapshot": snapshot.id, "source": public_address(request, figure.source)}
    return figure.model_copy(update=caption)
