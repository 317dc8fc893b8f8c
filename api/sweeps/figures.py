"""The figure of a sweep: how its best score came down."""

from __future__ import annotations

import math
from collections.abc import Sequence

from api.drawing.figure import Figure, no_figure, styled_figure
from api.drawing.look import colour, in_order
from api.drawing.panel_grid import add_scatter, panel_grid, set_x_axes, set_y_axes
from api.reading.snapshot import Row
from sweep.paper.scores import is_higher_better, score_name, score_title
from sweep.store.vocabulary import FINISHED


def best_so_far(records: Sequence[Row], source: str) -> Figure:
    """A panel per data set, a line per method that steps down where a trial ended better."""
    scored: dict[tuple[str, str], dict[str, list[tuple[Row, float]]]] = {}
    for row in records:
        if row["status"] in FINISHED and (best := _best(row)) is not None:
            by_method = scored.setdefault((row["dataset"], score_title(row)), {})
            by_method.setdefault(row["method"], []).append((row, best))
    if not scored:
        return no_figure("No trial of this sweep has ended with a score yet.", source)
    ended = [
        row for by_method in scored.values() for pairs in by_method.values() for row, _ in pairs
    ]
    start = min(row["started_at"] or row["updated_at"] for row in ended)
    panels = sorted(scored)
    drawing = panel_grid(rows=len(panels), shared_x="columns", vertical_spacing=0.06)
    longest = (max(row["updated_at"] for row in ended) - start).total_seconds()
    size, unit = (3600.0, "h") if longest > 5400 else (60.0, "min")
    in_legend: set[str] = set()
    for panel, key in enumerate(panels, start=1):
        for method in in_order(scored[key]):
            steps = _steps(scored[key][method])
            steps.append(steps[-1])
            add_scatter(
                drawing,
                (panel, 1),
                x=[(row["updated_at"] - start).total_seconds() / size for row, _ in steps[:-1]]
                + [longest / size],
                y=[best for _, best in steps],
                text=[row["trial_id"] for row, _ in steps],
                mode="lines+markers",
                line={"shape": "hv", "color": colour(method)},
                name=method,
                legendgroup=method,
                showlegend=method not in in_legend,
                hovertemplate="%{text}<br>%{y:.4g}<extra></extra>",
            )
            in_legend.add(method)
        dataset, score = key
        is_positive = all(best > 0 for pairs in scored[key].values() for _, best in pairs)
        kind = "log" if is_positive else "linear"
        set_y_axes(drawing, row=panel, title=f"{score}<br>{dataset}", type=kind)
    set_x_axes(drawing, row=len(panels), title=f"{unit} since the first trial")
    return styled_figure(drawing, source, 140 + 280 * len(panels), trials=len(ended))


def _best(row: Row) -> float | None:
    value = row[f"best_{score_name(row)}"]
    return value if value is not None and math.isfinite(value) else None


def _steps(scored: Sequence[tuple[Row, float]]) -> list[tuple[Row, float]]:
    """Rows that ended with a better score than all before them, with it."""
    steps: list[tuple[Row, float]] = []
    for row, best in sorted(scored, key=lambda pair: pair[0]["updated_at"]):
        sign = -1 if is_higher_better(row) else 1
        if not steps or sign * best < sign * steps[-1][1]:
            steps.append((row, best))
    return steps
