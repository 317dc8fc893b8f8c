"""Differences to SN and its controls as a forest plot: a panel per baseline, a line per method."""

from __future__ import annotations

from collections.abc import Sequence

from api.drawing.figure import Figure, styled_figure
from api.drawing.look import OTHER_COLOUR, colour, in_order
from api.drawing.panel_grid import (
    Cell,
    Drawing,
    add_scatter,
    add_vertical,
    panel_grid,
    set_x_axes,
    set_y_axes,
)
from api.paper.rivals import Contrast, Rival
from api.web.words import number
from sweep.paper.scores import SCORE_TITLES
from sweep.paper.table2 import BASELINES

ROW_HEIGHT, FRAME_HEIGHT = 34, 120


def forest(rivals: Sequence[Rival], source: str) -> Figure:
    """The rivals of one setting: dots are seeds, a square the mean, a bar its 95 % interval."""
    by_method = {rival.method: rival for rival in rivals}
    methods = in_order(by_method)
    drawing = panel_grid(
        columns=len(BASELINES),
        shared_y="all",
        horizontal_spacing=0.03,
        titles=[f"<b>minus {name}</b>" for name in BASELINES],
    )
    for column, baseline in enumerate(BASELINES, start=1):
        cell = 1, column
        add_vertical(drawing, 0, {"color": OTHER_COLOUR, "width": 1.2, "dash": "dot"}, cell)
        for method in methods:
            contrast = by_method[method].minus.get(baseline)
            _add_contrast(drawing, cell, method, baseline, contrast)
    set_y_axes(
        drawing,
        type="category",
        categoryorder="array",
        categoryarray=methods,
        range=[len(methods) - 0.4, -0.6],
        ticks="",
    )
    title = SCORE_TITLES[rivals[0].score]
    set_x_axes(drawing, title=f"difference in {title}", nticks=5)
    seeds = {s.seed for rival in rivals for c in rival.minus.values() for s in c.pair.seeds}
    height = FRAME_HEIGHT + ROW_HEIGHT * len(methods)
    summary = f"{rivals[0].setting}, {len(seeds)} seeds: {_findings(rivals, methods)}"
    return styled_figure(drawing, source, height, trials=len(methods) * len(seeds), says=summary)


def _add_contrast(
    drawing: Drawing, cell: Cell, method: str, baseline: str, contrast: Contrast | None
) -> None:
    if contrast is None:
        # Its line stays, empty: not measured is not the same as no difference.
        add_scatter(
            drawing, cell, x=[None], y=[method], mode="markers", showlegend=False, hoverinfo="skip"
        )
        return
    pair = contrast.pair
    add_scatter(
        drawing,
        cell,
        x=[seed.difference for seed in pair.seeds],
        y=[method] * pair.n,
        mode="markers",
        showlegend=False,
        marker={"color": colour(method), "size": 7, "symbol": "circle-open"},
        text=[f"seed {seed.seed}, at {seed.iteration:,}" for seed in pair.seeds],
        hovertemplate=f"{method} minus {baseline}, %{{text}}: %{{x:+.4g}}<extra></extra>",
    )
    if pair.interval is None or pair.mean is None:
        return
    low, high = pair.interval
    if low is None or high is None:
        return
    add_scatter(
        drawing,
        cell,
        x=[low, high],
        y=[method, method],
        mode="lines",
        showlegend=False,
        line={"color": colour(method), "width": 3},
        hoverinfo="skip",
    )
    add_scatter(
        drawing,
        cell,
        x=[pair.mean],
        y=[method],
        mode="markers",
        showlegend=False,
        marker={"color": colour(method), "size": 11, "symbol": "square"},
        hovertemplate=f"{method} minus {baseline}, mean of {pair.n}: %{{x:+.4g}}, "
        f"95 % {number(low)} to {number(high)}<extra></extra>",
    )


def _findings(rivals: Sequence[Rival], methods: Sequence[str]) -> str:
    """By baseline which methods are better, worse, open."""
    by_method = {rival.method: rival for rival in rivals}
    parts = []
    for baseline in BASELINES:
        found: dict[str, list[str]] = {}
        for method in methods:
            if (contrast := by_method[method].minus.get(baseline)) is not None:
                found.setdefault(contrast.finding, []).append(method)
        if found:
            words = "; ".join(f"{finding}: {', '.join(names)}" for finding, names in found.items())
            parts.append(f"Against {baseline} {words}")
    return f"{'. '.join(parts)}."
