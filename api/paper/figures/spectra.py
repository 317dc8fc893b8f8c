"""The paper's figures of spectra: sorted singular values as curves, coloured by iteration."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.drawing.figure import Figure, styled_figure
from api.drawing.look import SCALE, shade
from api.drawing.panel_grid import Cell, Drawing, add_scatter, panel_grid, set_x_axes, set_y_axes
from api.paper.figures.data import FigureData, FigureTrial, SpectrumAt

PANEL_HEIGHT, TITLE_HEIGHT = 190, 52
COLUMNS = 4
# What a normalised spectrum reaches; a higher one is of a method that does not normalise.
USUAL_TOP = 1.05
# Beyond this ratio a linear axis would show the largest value alone.
LINEAR_TOP = 10.0
MOST_NAMED = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class SpectraPanel:
    """A place in a grid of small multiples."""

    title: str
    spectra: Sequence[SpectrumAt]
    fell: int | None


def over_iterations(data: FigureData, source: str) -> Figure:
    """Figs. 2 and 3: a layer over iterations, a panel per run."""
    panels = [
        SpectraPanel(title=_title(trial), spectra=trial.spectra, fell=trial.spectral_collapse_at)
        for trial in data.trials
    ]
    return grid(
        panels, f"{_sinking(data.trials)}{missing_text(data.missing)}", source, len(panels)
    )


def every_layer(data: FigureData, source: str) -> Figure:
    """Fig. 14: all layers of the first run over iterations."""
    (trial,) = data.trials[:1]
    layers = sorted({spectrum.layer for spectrum in trial.spectra})
    panels = [
        SpectraPanel(
            title=f"<b>layer_{layer}</b>",
            spectra=[spectrum for spectrum in trial.spectra if spectrum.layer == layer],
            fell=trial.spectral_collapse_at,
        )
        for layer in layers
    ]
    levels = ", ".join(
        f"{layer}: {_level(panel.spectra[-1]):.2f}"
        for layer, panel in zip(layers, panels, strict=True)
    )
    summary = f"{name_of(trial)}: {trial.verdict} Mean σ/σ₁ at the end, by layer: {levels}."
    return grid(panels, summary, source, 1)


def grid(panels: Sequence[SpectraPanel], summary: str, source: str, trials: int) -> Figure:
    """The panels on common axes, dashed from where spectral collapse began."""
    columns = min(COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    height = rows * (PANEL_HEIGHT + TITLE_HEIGHT) + 60
    drawing = panel_grid(
        rows=rows,
        columns=columns,
        shared_y="all",
        titles=[panel.title for panel in panels],
        title_look={"font": {"size": 12}, "align": "left"},
        horizontal_spacing=0.025,
        vertical_spacing=0 if rows == 1 else TITLE_HEIGHT / height,
    )
    every = [spectrum for panel in panels for spectrum in panel.spectra]
    span = span_of(every)
    for k, panel in enumerate(panels):
        cell = k // columns + 1, k % columns + 1
        add_curves(drawing, panel.spectra, span, panel.fell, cell)
    add_iterations(drawing, span)
    set_x_axes(drawing, range=[-0.02, 1.02], tickvals=[0, 0.5, 1], showticklabels=False)
    set_y_axes(drawing, **sigma_axis(every))
    set_y_axes(drawing, column=1, title="σ")
    for column in range(1, columns + 1):
        last = rows if rows * columns - len(panels) <= columns - column else rows - 1
        set_x_axes(drawing, title="index / r", showticklabels=True, row=last, column=column)
    return styled_figure(drawing, source, height, trials=trials, says=summary)


def add_curves(
    drawing: Drawing,
    spectra: Sequence[SpectrumAt],
    span: tuple[int, int],
    fell: int | None,
    cell: Cell,
) -> None:
    """A curve per iteration over index / r."""
    for spectrum in spectra:
        dash = "dash" if fell is not None and spectrum.iteration >= fell else "solid"
        add_scatter(
            drawing,
            cell,
            x=places(spectrum),
            y=heights(spectrum),
            mode="lines",
            name=f"iteration {spectrum.iteration:,}",
            showlegend=False,
            connectgaps=False,
            line={"color": colour_at(spectrum.iteration, span), "width": 1.6, "dash": dash},
            hovertemplate="%{fullData.name}<br>index/r %{x:.2f}, σ %{y:.3f}<extra></extra>",
        )


def places(spectrum: SpectrumAt) -> list[float]:
    last = max(spectrum.indices[-1], 1) if spectrum.indices else 1
    return [round(index / last, 4) for index in spectrum.indices]


def heights(spectrum: SpectrumAt) -> list[float | None]:
    return [None if v is None else float(f"{v:.4g}") for v in spectrum.singular_values]


def span_of(spectra: Sequence[SpectrumAt]) -> tuple[int, int]:
    iterations = [spectrum.iteration for spectrum in spectra]
    return min(iterations), max(max(iterations), min(iterations) + 1)


def colour_at(iteration: int, span: tuple[int, int]) -> str:
    first, last = span
    return shade((iteration - first) / (last - first))


def add_iterations(drawing: Drawing, span: tuple[int, int], **bar: float | str) -> None:
    """The scale of the colours, by a mark that is nowhere."""
    add_scatter(
        drawing,
        x=[None],
        y=[None],
        mode="markers",
        showlegend=False,
        hoverinfo="skip",
        marker={
            "color": [span[0]],
            "cmin": span[0],
            "cmax": span[1],
            "showscale": True,
            "colorscale": [[k / 8, colour] for k, colour in enumerate(SCALE)],
            "colorbar": {
                "title": {"text": "iteration"},
                "thickness": 12,
                "outlinewidth": 0,
                "lenmode": "pixels",
                "len": 180,
                "y": 1,
                "yanchor": "top",
                "tickformat": "~s",
                **bar,
            },
        },
    )


def sigma_axis(spectra: Sequence[SpectrumAt]) -> dict[str, Any]:
    """Axis from 0 to 1, beyond it as far as there are values; logarithmic for very large ones."""
    values = [
        v for spectrum in spectra for v in spectrum.singular_values if v is not None and v > 0
    ]
    top = max(values, default=1.0)
    if top <= USUAL_TOP:
        return {"range": [0, USUAL_TOP], "tickvals": [0, 0.5, 1]}
    if top <= LINEAR_TOP:
        return {"range": [0, 1.05 * top]}
    return {"type": "log", "range": [-3, math.log10(1.2 * top)]}


def name_of(trial: FigureTrial) -> str:
    i = f" i {trial.i_ratio:g}" if trial.i_ratio is not None else ""
    return f"{trial.setting} {trial.method}{i} seed {trial.seed}"


def _title(trial: FigureTrial) -> str:
    signals = {"modes": trial.mode_collapse_at, "spectrum": trial.spectral_collapse_at}
    signal_text = ", ".join(
        f"{name} ✕ {iteration:,}" for name, iteration in signals.items() if iteration is not None
    )
    return f"<b>{trial.setting}</b> seed {trial.seed}<br>{signal_text or 'no collapse seen'}"


def _level(spectrum: SpectrumAt) -> float:
    """The mean singular value over the largest; 0 without one."""
    values = [v for v in spectrum.singular_values if v is not None]
    return statistics.fmean(values) / values[0] if values and values[0] else 0.0


def _sinking(trials: Sequence[FigureTrial]) -> str:
    first = [_level(trial.spectra[0]) for trial in trials]
    last = [_level(trial.spectra[-1]) for trial in trials]
    fell = sum(trial.mode_collapse_at is not None for trial in trials)
    return (
        f"Mean σ/σ₁ was {_range_text(first)} in the first curves and is {_range_text(last)} "
        f"in the last; mode collapse was seen in {fell} of {len(trials)} runs."
    )


def _range_text(values: Sequence[float]) -> str:
    low, high = f"{min(values):.2f}", f"{max(values):.2f}"
    return low if low == high else f"{low} to {high}"


def missing_text(missing: Mapping[str, str]) -> str:
    if not missing:
        return ""
    names = ", ".join([*missing][:MOST_NAMED])
    rest = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
    return f" Not shown, as nothing has been measured yet: {names}{rest}."
