"""The share of runs without mode collapse over iterations, by method, with the number at risk."""

from __future__ import annotations

from collections.abc import Sequence

from api.drawing.figure import Figure, styled_figure
from api.drawing.look import colour, in_order
from api.drawing.panel_grid import Drawing, add_scatter, panel_grid, set_x_axes, set_y_axes
from api.paper.survival import Step, Survival

MOMENTS = 6
CURVES, NUMBERS = (1, 1), (2, 1)
TRANSLUCENT = "26"


def survival_curves(items: Sequence[Survival], source: str) -> Figure:
    """Steps with a 95 % band, a tick per censoring, and below how many runs are at risk."""
    by_method = {item.method: item for item in items}
    methods = in_order(by_method)
    last = max(step.iteration for item in items for step in item.steps)
    drawing = panel_grid(
        rows=2,
        shared_x="columns",
        vertical_spacing=0.16,
        row_heights=[1, 0.09 + 0.075 * len(methods)],
    )
    for method in methods:
        _add_band(drawing, by_method[method], last)
    for method in methods:
        _add_steps(drawing, by_method[method], last)
    _add_at_risk(drawing, [by_method[method] for method in methods], last)
    set_y_axes(
        drawing,
        title="share without mode collapse",
        range=[-0.03, 1.05],
        tickformat=".0%",
        row=1,
    )
    set_x_axes(drawing, range=[-0.03 * last, 1.04 * last])
    set_x_axes(drawing, title="iteration", showticklabels=True, row=1)
    shares = "; ".join(
        f"{item.method} {item.steps[-1].share:.0%} ({item.collapsed} of {item.trials} collapsed)"
        for item in (by_method[method] for method in methods)
    )
    trials = sum(item.trials for item in items)
    height = 400 + 26 * len(methods)
    summary = f"Share without mode collapse at the end: {shares}."
    if not_judged := sum(item.not_judged for item in items):
        summary += f" Left out, for their mode collapse was not judged: {not_judged} runs."
    return styled_figure(drawing, source, height, trials=trials, says=summary)


def _corners(item: Survival, last: int, field: str) -> tuple[list[int], list[float]]:
    """Corners from 1 at the start to the last iteration at which a run was seen."""
    x, y = [0], [1.0]
    for step in item.steps:
        value = getattr(step, field)
        x.append(step.iteration)
        y.append(round(step.share if value is None else value, 4))
    return x, y


def _add_band(drawing: Drawing, item: Survival, last: int) -> None:
    if not any(step.low is not None for step in item.steps):
        return
    for field, fill in (("low", None), ("high", "tonexty")):
        x, y = _corners(item, last, field)
        add_scatter(
            drawing,
            CURVES,
            x=x,
            y=y,
            mode="lines",
            line={"width": 0, "shape": "hv"},
            fill=fill,
            fillcolor=colour(item.method) + TRANSLUCENT,
            hoverinfo="skip",
            showlegend=False,
            legendgroup=item.method,
        )


def _add_steps(drawing: Drawing, item: Survival, last: int) -> None:
    x, y = _corners(item, last, "share")
    label = f"{item.method}: {item.collapsed} of {item.trials} collapsed"
    add_scatter(
        drawing,
        CURVES,
        x=x,
        y=y,
        mode="lines",
        line={"width": 2.5, "shape": "hv", "color": colour(item.method)},
        name=label,
        legendgroup=item.method,
        hovertemplate=f"{item.method}, iteration %{{x:,}}: %{{y:.1%}}<extra></extra>",
    )
    censorings = [step for step in item.steps if step.censored]
    line = {"width": 2, "color": colour(item.method)}
    add_scatter(
        drawing,
        CURVES,
        x=[step.iteration for step in censorings],
        y=[round(step.share, 4) for step in censorings],
        mode="markers",
        showlegend=False,
        legendgroup=item.method,
        marker={"symbol": "line-ns", "size": 13, "line": line},
        text=[f"{step.censored} last seen" for step in censorings],
        hovertemplate=f"{item.method}, %{{x:,}}: %{{text}}, not collapsed<extra></extra>",
    )


def _add_at_risk(drawing: Drawing, items: Sequence[Survival], last: int) -> None:
    """A row of numbers per method below the axis."""
    moments = [round(last * k / (MOMENTS - 1)) for k in range(MOMENTS)]
    for item in items:
        add_scatter(
            drawing,
            NUMBERS,
            x=moments,
            y=[item.method] * MOMENTS,
            mode="text",
            hoverinfo="skip",
            showlegend=False,
            text=[str(at_risk(item.steps, moment)) for moment in moments],
            textfont={"color": colour(item.method), "size": 13},
        )
    span = [len(items) - 0.4, -0.6]
    set_y_axes(drawing, row=2, range=span, showgrid=False, type="category", ticks="")
    set_x_axes(drawing, row=2, showgrid=False, showticklabels=False, ticks="", showline=False)
    set_x_axes(drawing, title="runs still at risk", row=2)


def at_risk(steps: Sequence[Step], moment: int) -> int:
    """Runs that are known not to have collapsed before it."""
    return next((step.at_risk for step in steps if step.iteration >= moment), 0)
