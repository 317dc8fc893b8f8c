"""Fig. 8: best scores against i, every seed, what lifts nothing as bands."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from api.drawing.figure import Figure, below_legend, styled_figure
from api.drawing.look import colour, in_order
from api.drawing.panel_grid import (
    FIRST,
    Cell,
    Drawing,
    add_scatter,
    add_shape,
    panel_grid,
    references,
    set_x_axes,
    set_y_axes,
)
from api.paper.figures.scores import add_marks, ceiling, left_out, mark
from api.paper.table2 import MethodScore, SeedScore
from api.paper.trends import OverI
from api.reading.snapshot import Row
from sweep.paper.scores import SCORE_TITLES, t_interval
from sweep.store.vocabulary import FINISHED

# Distance of methods at the same i, in i / r.
METHOD_SHIFT = 0.014
SECOND = {
    "fd_digits": ("best_modes", "modes of 1000 (higher is better)"),
    "fid": ("best_inception_score", "Inception Score (higher is better)"),
}


def scores_over_i(items: Sequence[OverI], records: Mapping[str, Row], source: str) -> Figure:
    """Fig. 8 of one setting: best scores against i, what lifts nothing as bands."""
    score = items[0].points[0].score
    column, second = SECOND[score]
    seconds = {trial_id: row[column] for trial_id, row in records.items()}
    has_second = any(
        seconds.get(s.trial_id) is not None for i in items for p in i.points for s in p.seeds
    )
    titles = [f"best {SCORE_TITLES[score]} (lower is better)", *([second] if has_second else [])]
    drawing = panel_grid(columns=len(titles), titles=titles, horizontal_spacing=0.07)
    beyond = 0
    for column in range(1, len(titles) + 1):
        beyond += _panel(drawing, items, seconds if column > 1 else None, (1, column))
    set_x_axes(drawing, title="i / r, share of singular values lifted", range=[0, 1.05])
    set_y_axes(drawing, rangemode="tozero")
    cells = [cell for item in items for cell in item.points]
    cells += [cell for cell in items[0].beside.values()]
    drawn_seeds = sum(len(cell.seeds) for cell in cells)
    summary = " ".join(_trend(item) for item in items) + left_out(cells, beyond)
    return below_legend(styled_figure(drawing, source, 460, trials=drawn_seeds, says=summary))


def _panel(
    drawing: Drawing, items: Sequence[OverI], values: Mapping[str, Any] | None, cell: Cell
) -> int:
    """Draws a panel and returns the number of marks beyond its axis. `values` None: distances."""
    bands = {method: _values(scores, values) for method, scores in items[0].beside.items()}
    dots = {
        item.method: [
            [(seed, value) for seed in point.seeds if (value := _value(seed, values)) is not None]
            for point in item.points
        ]
        for item in items
    }
    every = [v for points in dots.values() for seeds in points for _, v in seeds]
    top = ceiling(every + [v for band in bands.values() for v in band])
    for method in in_order(bands):
        _add_band(drawing, method, bands[method], cell)
    beyond = 0
    for place, item in enumerate(items):
        # Methods at the same i stand beside one another.
        shift = round(METHOD_SHIFT * (place - (len(items) - 1) / 2), 4)
        marks = []
        for point, seeds in zip(item.points, dots[item.method], strict=True):
            label = f"{item.method}, i {point.i_ratio:g} r,"
            x = (point.i_ratio or 0.0) + shift
            marks += [mark(x, value, seed, label) for seed, value in seeds]
        beyond += add_marks(drawing, item.method, marks, top, cell=cell, legend=cell == FIRST)
        _add_means(drawing, item, dots[item.method], shift, cell)
    return beyond


def _value(seed: SeedScore, values: Mapping[str, Any] | None) -> float | None:
    return seed.best if values is None else values.get(seed.trial_id)


def _values(scores: MethodScore, values: Mapping[str, Any] | None) -> list[float]:
    values_or_none = (_value(s, values) for s in scores.seeds if s.status in FINISHED)
    return [value for value in values_or_none if value is not None]


def _add_band(drawing: Drawing, method: str, values: Sequence[float], cell: Cell) -> None:
    """Draws a band from the lowest to the highest seed, and a line at the mean."""
    if not values:
        return
    mean = statistics.fmean(values)
    add_scatter(
        drawing,
        cell,
        x=[0, 1.05],
        y=[mean, mean],
        mode="lines",
        line={"color": colour(method), "width": 2},
        name=f"{method}: mean and range of {len(values)} seed{'s' if len(values) > 1 else ''}",
        legendgroup=method,
        showlegend=cell == FIRST,
        hovertemplate=f"{method} mean %{{y:.4g}}<extra></extra>",
    )
    if len(values) > 1:
        add_shape(
            drawing,
            type="rect",
            x0=0,
            x1=1,
            y0=min(values),
            y1=max(values),
            fillcolor=colour(method),
            opacity=0.16,
            line={"width": 0},
            **references(drawing, cell, x="domain"),
        )


def _add_means(
    drawing: Drawing,
    item: OverI,
    values_by_point: Sequence[Sequence[tuple[SeedScore, float]]],
    shift: float,
    cell: Cell,
) -> None:
    """A line through the means of the finished seeds, with a t interval from three on."""
    x, y, half = [], [], []
    for point, seeds in zip(item.points, values_by_point, strict=True):
        values = [value for seed, value in seeds if seed.status in FINISHED]
        if values:
            x.append((point.i_ratio or 0.0) + shift)
            y.append(statistics.fmean(values))
            half.append(t_interval(values)[1] - y[-1] if len(values) > 2 else 0)
    if len(x) > 1 or any(half):
        add_scatter(
            drawing,
            cell,
            x=x,
            y=y,
            mode="lines",
            line={"color": colour(item.method), "width": 1.5},
            error_y={"array": half, "visible": any(half), "color": colour(item.method)},
            legendgroup=item.method,
            showlegend=False,
            hovertemplate=f"{item.method} mean %{{y:.4g}}<extra></extra>",
        )


def _trend(item: OverI) -> str:
    if item.text is None:
        return f"{item.method}: {item.agrees.says}."
    verdict = item.agrees.verdict.replace("not measured", "is not measured yet")
    score = item.points[0].score
    reason = item.agrees.says.replace(score, SCORE_TITLES[score])
    return (
        f"The text on group {item.group}: {item.text}. Measured with {item.method}: that "
        f"{verdict} ({reason})."
    )
