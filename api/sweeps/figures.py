"""The figure of a sweep: how its best score came down."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from api.drawing.figure import Figure, no_figure, styled_figure
from api.drawing.look import colour, in_order
from api.reading.snapshot import Row
from sweep.paper.scores import SCORE_TITLES, score_name
from sweep.store.vocabulary import FINISHED


def best_so_far(records: Sequence[Row], source: str) -> Figure:
    """A panel per data set, a line per method that steps down where a trial ended better."""
    scored = [row for row in records if row["status"] in FINISHED and _best(row) is not None]
    if not scored:
        return no_figure("No trial of this sweep has ended with a score yet.", source)
    start = min(row["started_at"] or row["updated_at"] for row in scored)
    datasets = sorted({row["dataset"] for row in scored})
    figure = make_subplots(rows=len(datasets), cols=1, shared_xaxes=True, vertical_spacing=0.06)
    longest = max((row["updated_at"] - start).total_seconds() for row in scored)
    size, unit = (3600.0, "h") if longest > 5400 else (60.0, "min")
    in_legend: set[str] = set()
    for panel, dataset in enumerate(datasets, start=1):
        of_dataset = [row for row in scored if row["dataset"] == dataset]
        for method in in_order({row["method"] for row in of_dataset}):
            steps = _steps([row for row in of_dataset if row["method"] == method])
            figure.add_trace(
                go.Scatter(
                    x=[(row["updated_at"] - start).total_seconds() / size for row in steps]
                    + [longest / size],
                    y=[_best(row) for row in [*steps, steps[-1]]],
                    text=[row["trial_id"] for row in [*steps, steps[-1]]],
                    mode="lines+markers",
                    line={"shape": "hv", "color": colour(method)},
                    name=method,
                    legendgroup=method,
                    showlegend=method not in in_legend,
                    hovertemplate="%{text}<br>%{y:.4g}<extra></extra>",
                ),
                row=panel,
                col=1,
            )
            in_legend.add(method)
        title = f"{SCORE_TITLES[score_name(of_dataset[0])]}<br>{dataset}"
        figure.update_yaxes(title_text=title, type="log", row=panel, col=1)
    figure.update_xaxes(title_text=f"{unit} since the first trial", row=len(datasets), col=1)
    return styled_figure(figure, source, 140 + 280 * len(datasets), trials=len(scored))


def _best(row: Row) -> float | None:
    value = row[f"best_{score_name(row)}"]
    return value if value is not None and math.isfinite(value) else None


def _steps(rows: Sequence[Row]) -> list[Row]:
    """Rows that ended with a lower score than all before them."""
    steps: list[Row] = []
    lowest = math.inf
    for row in sorted(rows, key=lambda row: row["updated_at"]):
        value = _best(row)
        if value is not None and value < lowest:
            steps.append(row)
            lowest = value
    return steps
