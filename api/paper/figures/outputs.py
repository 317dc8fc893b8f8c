"""The paper's figures of D's outputs, Figs. 9 to 11: distributions of D(x) and of L_D by i."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from api.drawing.figure import Figure, below_legend, finished, subplots
from api.drawing.look import shade
from api.paper.figures.data import FigureData, FigureTrial, HistogramAt

# Not the colours of methods: these are sets of images.
IMAGES = {
    "training": {"color": "#6B7680", "dash": "solid", "fill": "rgba(107,118,128,0.3)"},
    "test": {"color": "#AA3377", "dash": "solid", "fill": None},
    "generated": {"color": "#228833", "dash": "dash", "fill": None},
}
QUANTITIES = {"d": "D(x)", "d_loss": "L_D"}
COLUMNS = 3
# Stored bins that make one of a picture: 512 images in 64 bins are mostly noise.
MERGED = {"d": 4, "d_loss": 2}
# Of the mass in every histogram, what the axis shows at the least.
SHOWN = 0.998


def over_i(data: FigureData, source: str) -> Figure:
    """Fig. 9: D(x) and L_D on each set of images, a curve per i."""
    trials = _by_i(data)
    kinds = sorted({(one.quantity, one.images) for t in trials for one in t.histograms})
    figure = subplots(
        rows=math.ceil(len(kinds) / 2), cols=2, horizontal_spacing=0.07, vertical_spacing=0.2,
        subplot_titles=[f"{QUANTITIES[name]} on {images} images" for name, images in kinds],
    )  # fmt: skip
    for k, kind in enumerate(kinds):
        at = k // 2 + 1, k % 2 + 1
        shown = []
        for place, trial in enumerate(trials):
            for one in trial.histograms:
                if (one.quantity, one.images) == kind:
                    line = {"color": shade(place / max(1, len(trials) - 1)), "width": 2}
                    _add(figure, one, line, _i(trial), None, at, first=k == 0)
                    shown.append(one)
        place: Any = {"row": at[0], "col": at[1]}
        figure.update_xaxes(title_text=QUANTITIES[kind[0]], range=_reach(shown), **place)
        # Where D is sure its loss is 0: most of the mass lies in the first bin.
        scale = {"type": "log", "dtick": 1} if kind[0] == "d_loss" else {"type": "linear"}
        figure.update_yaxes(**scale, **place)
    figure.update_yaxes(title_text="density", col=1, rangemode="tozero")
    figure.update_annotations(font={"size": 13})
    gaps = {
        trial.i_ratio: _mean(trial, "training") - _mean(trial, "generated") for trial in trials
    }
    said = ", ".join(f"{gap:.3g} at i {i:g} r" for i, gap in gaps.items() if i is not None)
    rising = [*gaps.values()] == sorted(gaps.values())
    says = f"Mean D(x) on training less that on generated images: {said}."
    if len(gaps) > 1:
        says += f" The text has it grow with i; here it does{'' if rising else ' not'}."
    height = 320 * math.ceil(len(kinds) / 2) + 60
    says += _not_finite(trials)
    return below_legend(finished(figure, source, height, trials=len(trials), says=says))


def by_images(data: FigureData, source: str) -> Figure:
    """Figs. 10 and 11: D(x) by set of images, a panel per i."""
    trials = _by_i(data)
    columns = min(COLUMNS, len(trials))
    rows = math.ceil(len(trials) / columns)
    figure = subplots(
        rows=rows, cols=columns, shared_xaxes="all", horizontal_spacing=0.05,
        vertical_spacing=0 if rows == 1 else 0.5 / rows,
        subplot_titles=[f"<b>{_i(trial)}</b>" for trial in trials],
    )  # fmt: skip
    for k, trial in enumerate(trials):
        at = k // columns + 1, k % columns + 1
        for images, look in IMAGES.items():
            for one in trial.histograms:
                if one.images == images and one.quantity == "d":
                    line = {"color": look["color"], "dash": look["dash"], "width": 2}
                    _add(figure, one, line, images, look["fill"], at, first=k == 0)
    every = [one for trial in trials for one in trial.histograms]
    figure.update_xaxes(title_text="D(x)", range=_reach(every), showticklabels=True)
    figure.update_yaxes(title_text="density", col=1, rangemode="tozero")
    figure.update_annotations(font={"size": 13})
    apart = [_mean(trial, "training") - _mean(trial, "test") for trial in trials]
    said = ", ".join(f"{gap:.3g} at {_i(t)}" for t, gap in zip(trials, apart, strict=True))
    says = f"Mean D(x) on training less that on test images, 0 without overfitting: {said}."
    says += _not_finite(trials)
    return below_legend(finished(figure, source, 300 * rows + 60, trials=len(trials), says=says))


def _by_i(data: FigureData) -> list[FigureTrial]:
    """Of the first setting alone: its runs from the lowest i to the highest."""
    first = data.trials[0].setting
    return sorted((t for t in data.trials if t.setting == first), key=lambda t: t.i_ratio or 0.0)


def _i(trial: FigureTrial) -> str:
    return f"i = {trial.i_ratio:g} r" if trial.i_ratio is not None else trial.method


def _add(
    figure: go.Figure, one: HistogramAt, line: dict[str, object], name: str, fill: str | None,
    at: tuple[int, int], *, first: bool,
) -> None:  # fmt: skip
    """The histogram as a density: D(x) as a polygon, L_D, which is 0 for many, in steps."""
    edges, density = _density(one, MERGED[one.quantity])
    shape = "hv"
    if one.quantity == "d" and density:
        half = (edges[1] - edges[0]) / 2
        edges = [round(edge + half, 5) for edge in (edges[0] - 2 * half, *edges)]
        density, shape = [0.0, *density], "linear"
    figure.add_scatter(
        x=edges, y=density, mode="lines", name=name, legendgroup=name, showlegend=first,
        line={"shape": shape, **line}, fill="tozeroy" if fill else None, fillcolor=fill,
        hovertemplate="%{fullData.name}: %{x:.3g}<extra></extra>", row=at[0], col=at[1],
    )  # fmt: skip


def _density(one: HistogramAt, merged: int = 1) -> tuple[list[float], list[float]]:
    """Edges of the bins, and the density in each, 0 after the last one."""
    if one.low is None or one.high is None or not sum(one.counts):
        return [], []
    merged = merged if len(one.counts) % merged == 0 else 1
    counts = [sum(one.counts[k : k + merged]) for k in range(0, len(one.counts), merged)]
    width = (one.high - one.low) / len(counts) or 1.0
    scale = sum(counts) * width
    edges = [round(one.low + k * width, 5) for k in range(len(counts) + 1)]
    return edges, [float(f"{n / scale:.4g}") for n in counts] + [0.0]


def _reach(histograms: Sequence[HistogramAt]) -> list[float] | None:
    """From the lowest to the highest bin that matters: a few far values squash no axis."""
    ends = [end for one in histograms if (end := _middle(one)) is not None]
    if not ends:
        return None
    low, high = min(a for a, _ in ends), max(b for _, b in ends)
    pad = 0.05 * (high - low) or 1.0
    return [low - pad, high + pad]


def _middle(one: HistogramAt) -> tuple[float, float] | None:
    """Where the middle `SHOWN` of the mass lies."""
    edges, _ = _density(one)
    if not edges:
        return None
    allowed = (1 - SHOWN) / 2 * sum(one.counts)
    first, last = 0, len(one.counts) - 1
    while first < last and sum(one.counts[: first + 1]) <= allowed:
        first += 1
    while last > first and sum(one.counts[last:]) <= allowed:
        last -= 1
    return edges[first], edges[last + 1]


def _mean(trial: FigureTrial, images: str) -> float:
    """Mean D(x), from the bins; NaN without a value."""
    for one in trial.histograms:
        if one.images == images and one.quantity == "d":
            edges, density = _density(one)
            total = sum(density)
            pairs = zip(edges, edges[1:], density, strict=False)
            return sum((a + b) / 2 * d for a, b, d in pairs) / total if total else math.nan
    return math.nan


def _not_finite(trials: Sequence[FigureTrial]) -> str:
    lost = sum(one.not_finite for trial in trials for one in trial.histograms)
    return f" {lost} values are not finite and in no curve." if lost else ""
