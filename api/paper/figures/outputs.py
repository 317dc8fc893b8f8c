"""The paper's figures of D's outputs, Figs. 9 to 11: distributions of D(x) and of L_D by i."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from api.drawing.figure import Figure, below_legend, styled_figure
from api.drawing.look import IMAGE_COLOURS, IMAGE_DASHES, shade, translucent
from api.drawing.panel_grid import Cell, Drawing, add_scatter, panel_grid, set_x_axes, set_y_axes
from api.paper.figures.data import FigureData, FigureTrial, HistogramAt

# The set of images that the others are compared with is filled.
FILLS = {"training": translucent(IMAGE_COLOURS["training"], 0.3)}
QUANTITIES = {"d": "D(x)", "d_loss": "L_D"}
COLUMNS = 3
# Stored bins that make one of a picture: 512 images in 64 bins are mostly noise.
MERGED = {"d": 4, "d_loss": 2}
# Least share of the mass of every histogram that the axis shows.
MASS_SHOWN = 0.998


def over_i(data: FigureData, source: str) -> Figure:
    """Fig. 9: D(x) and L_D on each set of images, a curve per i."""
    trials = _by_i(data)
    kinds = sorted({(h.quantity, h.images) for t in trials for h in t.histograms})
    drawing = panel_grid(
        rows=math.ceil(len(kinds) / 2),
        columns=2,
        horizontal_spacing=0.07,
        vertical_spacing=0.2,
        titles=[f"{QUANTITIES[name]} on {images} images" for name, images in kinds],
    )
    for k, kind in enumerate(kinds):
        cell = k // 2 + 1, k % 2 + 1
        panel_histograms = []
        for rank, trial in enumerate(trials):
            for histogram in trial.histograms:
                if (histogram.quantity, histogram.images) == kind:
                    line = {"color": shade(rank / max(1, len(trials) - 1)), "width": 2}
                    _add(drawing, histogram, line, _ratio_label(trial), None, cell, first=k == 0)
                    panel_histograms.append(histogram)
        place: Any = {"row": cell[0], "column": cell[1]}
        set_x_axes(drawing, title=QUANTITIES[kind[0]], range=_reach(panel_histograms), **place)
        # Where D is sure its loss is 0: most of the mass lies in the first bin.
        scale = {"type": "log", "dtick": 1} if kind[0] == "d_loss" else {"type": "linear"}
        set_y_axes(drawing, **scale, **place)
    set_y_axes(drawing, column=1, title="density", rangemode="tozero")
    gaps = {
        trial.i_ratio: _mean(trial, "training") - _mean(trial, "generated") for trial in trials
    }
    gap_text = ", ".join(f"{gap:.3g} at i {i:g} r" for i, gap in gaps.items() if i is not None)
    rising = [*gaps.values()] == sorted(gaps.values())
    summary = f"Mean D(x) on training less that on generated images: {gap_text}."
    if len(gaps) > 1:
        summary += f" The text has it grow with i; here it does{'' if rising else ' not'}."
    height = 320 * math.ceil(len(kinds) / 2) + 60
    summary += _not_finite(trials)
    return below_legend(styled_figure(drawing, source, height, trials=len(trials), says=summary))


def by_images(data: FigureData, source: str) -> Figure:
    """Figs. 10 and 11: D(x) by set of images, a panel per i."""
    trials = _by_i(data)
    columns = min(COLUMNS, len(trials))
    rows = math.ceil(len(trials) / columns)
    drawing = panel_grid(
        rows=rows,
        columns=columns,
        shared_x="all",
        horizontal_spacing=0.05,
        vertical_spacing=0 if rows == 1 else 0.5 / rows,
        titles=[f"<b>{_ratio_label(trial)}</b>" for trial in trials],
    )
    for k, trial in enumerate(trials):
        cell = k // columns + 1, k % columns + 1
        for images, ink in IMAGE_COLOURS.items():
            for histogram in trial.histograms:
                if histogram.images == images and histogram.quantity == "d":
                    line = {"color": ink, "dash": IMAGE_DASHES[images], "width": 2}
                    _add(drawing, histogram, line, images, FILLS.get(images), cell, first=k == 0)
    every = [histogram for trial in trials for histogram in trial.histograms]
    set_x_axes(drawing, title="D(x)", range=_reach(every), showticklabels=True)
    set_y_axes(drawing, column=1, title="density", rangemode="tozero")
    gaps = [_mean(trial, "training") - _mean(trial, "test") for trial in trials]
    gap_text = ", ".join(
        f"{gap:.3g} at {_ratio_label(t)}" for t, gap in zip(trials, gaps, strict=True)
    )
    summary = f"Mean D(x) on training less that on test images, 0 without overfitting: {gap_text}."
    summary += _not_finite(trials)
    return below_legend(
        styled_figure(drawing, source, 300 * rows + 60, trials=len(trials), says=summary)
    )


def _by_i(data: FigureData) -> list[FigureTrial]:
    """Runs of the first setting, from the lowest i to the highest."""
    first = data.trials[0].setting
    return sorted((t for t in data.trials if t.setting == first), key=lambda t: t.i_ratio or 0.0)


def _ratio_label(trial: FigureTrial) -> str:
    return f"i = {trial.i_ratio:g} r" if trial.i_ratio is not None else trial.method


def _add(
    drawing: Drawing,
    histogram: HistogramAt,
    line: dict[str, object],
    name: str,
    fill: str | None,
    cell: Cell,
    *,
    first: bool,
) -> None:
    """The histogram as a density: D(x) as a polygon, L_D, which is 0 for many, in steps."""
    edges, density = _density(histogram, MERGED[histogram.quantity])
    shape = "hv"
    if histogram.quantity == "d" and density:
        half = (edges[1] - edges[0]) / 2
        edges = [round(edge + half, 5) for edge in (edges[0] - 2 * half, *edges)]
        density, shape = [0.0, *density], "linear"
    add_scatter(
        drawing,
        cell,
        x=edges,
        y=density,
        mode="lines",
        name=name,
        legendgroup=name,
        showlegend=first,
        line={"shape": shape, **line},
        fill="tozeroy" if fill else None,
        fillcolor=fill,
        hovertemplate="%{fullData.name}: %{x:.3g}<extra></extra>",
    )


def _density(histogram: HistogramAt, merged: int = 1) -> tuple[list[float], list[float]]:
    """Edges of the bins, and the density in each, 0 after the last one."""
    if histogram.low is None or histogram.high is None or not sum(histogram.counts):
        return [], []
    merged = merged if len(histogram.counts) % merged == 0 else 1
    counts = [
        sum(histogram.counts[k : k + merged]) for k in range(0, len(histogram.counts), merged)
    ]
    width = (histogram.high - histogram.low) / len(counts) or 1.0
    scale = sum(counts) * width
    edges = [round(histogram.low + k * width, 5) for k in range(len(counts) + 1)]
    return edges, [float(f"{n / scale:.4g}") for n in counts] + [0.0]


def _reach(histograms: Sequence[HistogramAt]) -> list[float] | None:
    """Range from the lowest to the highest bin that matters: far values squash no axis."""
    ends = [end for histogram in histograms if (end := _middle(histogram)) is not None]
    if not ends:
        return None
    low, high = min(a for a, _ in ends), max(b for _, b in ends)
    pad = 0.05 * (high - low) or 1.0
    return [low - pad, high + pad]


def _middle(histogram: HistogramAt) -> tuple[float, float] | None:
    """Bounds of the middle `MASS_SHOWN` of the mass."""
    edges, _ = _density(histogram)
    if not edges:
        return None
    allowed = (1 - MASS_SHOWN) / 2 * sum(histogram.counts)
    first, last = 0, len(histogram.counts) - 1
    while first < last and sum(histogram.counts[: first + 1]) <= allowed:
        first += 1
    while last > first and sum(histogram.counts[last:]) <= allowed:
        last -= 1
    return edges[first], edges[last + 1]


def _mean(trial: FigureTrial, images: str) -> float:
    """Mean D(x), from the bins; NaN without a value."""
    for histogram in trial.histograms:
        if histogram.images == images and histogram.quantity == "d":
            edges, density = _density(histogram)
            total = sum(density)
            pairs = zip(edges, edges[1:], density, strict=False)
            return sum((a + b) / 2 * d for a, b, d in pairs) / total if total else math.nan
    return math.nan


def _not_finite(trials: Sequence[FigureTrial]) -> str:
    lost = sum(histogram.not_finite for trial in trials for histogram in trial.histograms)
    return f" {lost} values are not finite and in no curve." if lost else ""
