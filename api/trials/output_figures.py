"""D's outputs as histograms, as in Figs. 9 to 11: of one trial, or of several. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from api.drawing.figure import Figure, no_figure, styled_figure
from api.drawing.lines import Curve, bounds
from api.drawing.look import IMAGE_COLOURS, IMAGE_DASHES, OTHER_COLOUR, translucent
from api.drawing.panel_grid import (
    Cell,
    Drawing,
    add_annotation,
    add_scatter,
    panel_grid,
    set_x_axes,
    set_y_axes,
)
from api.trials.series import Histogram

NOTHING = "No histogram of D's outputs has been written."
Quantity = Literal["d", "d_loss"]
QUANTITIES: dict[Quantity, str] = {"d": "D(x)", "d_loss": "L_D of each image"}
FILL_OPACITY = 0.25


def iterations_of(rows: Sequence[Histogram]) -> list[int]:
    return sorted({row.iteration for row in rows})


def at_or_before(rows: Sequence[Histogram], iteration: int | None) -> list[Histogram]:
    """Histograms of the last iteration up to this one, else of the first; for None of the last."""
    iterations = iterations_of(rows)
    if not iterations:
        return []
    earlier = [k for k in iterations if iteration is None or k <= iteration]
    nearest = earlier[-1] if earlier else iterations[0]
    return [row for row in rows if row.iteration == nearest]


def histograms(rows: Sequence[Histogram], iteration: int | None, source: str) -> Figure:
    """D(x) and D's loss at an iteration; the axis holds those of every iteration."""
    at_iteration = at_or_before(rows, iteration)
    if not at_iteration:
        return no_figure(NOTHING, source)
    drawing = panel_grid(rows=2, vertical_spacing=0.26)
    for row, (quantity, title) in enumerate(QUANTITIES.items(), start=1):
        of_quantity = [h for h in at_iteration if h.quantity == quantity]
        _draw(drawing, (row, 1), of_quantity, legend=row == 1)
        set_x_axes(drawing, row=row, title=title, range=_range(rows, quantity))
    set_y_axes(drawing, title="images", rangemode="tozero", nticks=4)
    _title(drawing, f"iteration {at_iteration[0].iteration}")
    return styled_figure(drawing, source, 400)


def _title(drawing: Drawing, text: str) -> None:
    add_annotation(
        drawing,
        x=1,
        y=1,
        xref="paper",
        yref="paper",
        xanchor="right",
        yanchor="bottom",
        yshift=6,
        text=text,
        font={"size": 13},
    )


def side_by_side(
    trials: Sequence[tuple[str, Sequence[Histogram]]],
    quantity: Quantity,
    iteration: int | None,
    columns: int,
    source: str,
) -> Figure:
    """A quantity of several trials at an iteration, all on one axis."""
    of_quantity = [(t, [r for r in rows if r.quantity == quantity]) for t, rows in trials]
    of_quantity = [(title, rows) for title, rows in of_quantity if rows]
    if not of_quantity:
        return no_figure(NOTHING, source)
    across = min(columns, len(of_quantity))
    down = -(-len(of_quantity) // across)
    height = 210 * down + 130
    histograms_of_trials = [at_or_before(rows, iteration) for _, rows in of_quantity]
    titles = [
        f"{title}<br>iteration {rows[0].iteration}"
        for (title, _), rows in zip(of_quantity, histograms_of_trials, strict=True)
    ]
    drawing = panel_grid(
        rows=down,
        columns=across,
        horizontal_spacing=0.05,
        vertical_spacing=min(0.3, 92 / (height - 132)) if down > 1 else 0,
        titles=titles,
        title_look={"font": {"size": 12}},
    )
    for place, rows in enumerate(histograms_of_trials):
        row, column = divmod(place, across)
        _draw(drawing, (row + 1, column + 1), rows, legend=place == 0)
    every = [row for _, rows in of_quantity for row in rows]
    set_x_axes(drawing, range=_range(every, quantity), matches="x")
    set_x_axes(drawing, row=down, title=QUANTITIES[quantity])
    set_y_axes(drawing, rangemode="tozero", nticks=4)
    set_y_axes(drawing, column=1, title="images")
    answer = styled_figure(drawing, source, height, trials=len(of_quantity))
    # Above the titles, which take two lines.
    answer.layout["margin"] |= {"t": 84}
    answer.layout["legend"] |= {"y": 1 + 42 / (height - 132)}
    return answer


def _draw(drawing: Drawing, cell: Cell, rows: Sequence[Histogram], *, legend: bool) -> None:
    for histogram in rows:
        x, y = _steps(histogram)
        images = histogram.images
        ink = IMAGE_COLOURS.get(images, OTHER_COLOUR)
        hidden = f", {histogram.not_finite} not finite" if histogram.not_finite else ""
        add_scatter(
            drawing,
            cell,
            x=x,
            y=y,
            name=images + hidden,
            legendgroup=images,
            mode="lines",
            line={
                "color": ink,
                "width": 1.6,
                "dash": IMAGE_DASHES.get(images, "dot"),
                "shape": "linear",
            },
            fill="tozeroy",
            fillcolor=translucent(ink, FILL_OPACITY),
            showlegend=legend or bool(hidden),
            hovertemplate="%{x:.3g}: %{y}",
        )


def _steps(row: Histogram) -> tuple[list[float], list[int]]:
    """The outline of the bins; nothing where the edges are not finite."""
    if row.low is None or row.high is None or not row.counts:
        return [], []
    width = (row.high - row.low) / len(row.counts)
    # All values equal: a bin of no width would be no line.
    width = width or 1e-3
    x = [row.low + width * k for k in range(len(row.counts) + 1)]
    edges = [edge for k in range(len(row.counts)) for edge in (x[k], x[k + 1])]
    heights = [count for count in row.counts for _ in (0, 1)]
    return [x[0], *edges, x[-1]], [0, *heights, 0]


def _range(rows: Sequence[Histogram], quantity: Quantity) -> list[float] | None:
    """The axis for all iterations but outliers, so that a histogram is seen to move."""
    ends: list[Any] = [
        end for row in rows if row.quantity == quantity for end in (row.low, row.high)
    ]
    edges = [end for end in ends if end is not None]
    limits = bounds([Curve(x=range(len(edges)), y=edges)]) if edges else None
    if limits is None:
        return None
    low, high = limits
    room = 0.03 * (high - low) or 0.5
    return [low - room, high + room]
