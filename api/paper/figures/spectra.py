"""The paper's figures of spectra: sorted singular values as curves, coloured by iteration."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from api.drawing.figure import Figure, finished, subplots
from api.drawing.look import SCALE, shade
from api.paper.figures.data import FigureData, FigureTrial, SpectrumAt
from trainer.config.settings import SETTINGS

PANEL_HEIGHT, TITLE_HEIGHT = 190, 52
COLUMNS = 4
# What a normalised spectrum reaches; a higher one is of a method that does not normalise.
USUAL_TOP = 1.05
# Beyond this ratio a linear axis would show the largest value alone.
LINEAR_TOP = 10.0
NOT_NAMED = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A place in a grid of small multiples."""

    title: str
    spectra: Sequence[SpectrumAt]
    fell: int | None


def over_iterations(data: FigureData, source: str) -> Figure:
    """Figs. 2 and 3: a layer over iterations, a panel per run."""
    panels = [
        Panel(title=_title(trial), spectra=trial.spectra, fell=trial.spectral_collapse_at)
        for trial in data.trials
    ]
    return grid(panels, f"{_sinking(data.trials)}{not_shown(data.missing)}", source, len(panels))


def every_layer(data: FigureData, source: str) -> Figure:
    """Fig. 14: all layers of the first run over iterations."""
    (trial,) = data.trials[:1]
    layers = sorted({spectrum.layer for spectrum in trial.spectra})
    panels = [
        Panel(
            title=f"<b>layer_{layer}</b>",
            spectra=[spectrum for spectrum in trial.spectra if spectrum.layer == layer],
            fell=trial.spectral_collapse_at,
        )
        for layer in layers
    ]
    said = ", ".join(
        f"{layer}: {_level(panel.spectra[-1]):.2f}"
        for layer, panel in zip(layers, panels, strict=True)
    )
    says = f"{name_of(trial)}: {trial.verdict} Mean σ/σ₁ at the end, by layer: {said}."
    return grid(panels, says, source, 1)


def grid(panels: Sequence[Panel], says: str, source: str, trials: int) -> Figure:
    """The panels on common axes, dashed from where spectral collapse began."""
    columns = min(COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    height = rows * (PANEL_HEIGHT + TITLE_HEIGHT) + 60
    figure = subplots(
        rows=rows, cols=columns, shared_yaxes="all", subplot_titles=[p.title for p in panels],
        horizontal_spacing=0.025, vertical_spacing=0 if rows == 1 else TITLE_HEIGHT / height,
    )  # fmt: skip
    every = [spectrum for panel in panels for spectrum in panel.spectra]
    span = span_of(every)
    for k, panel in enumerate(panels):
        at = k // columns + 1, k % columns + 1
        add_curves(figure, panel.spectra, span, panel.fell, *at)
    add_iterations(figure, span)
    figure.update_annotations(font={"size": 12}, align="left")
    figure.update_xaxes(range=[-0.02, 1.02], tickvals=[0, 0.5, 1], showticklabels=False)
    figure.update_yaxes(**sigma_axis(every))
    figure.update_yaxes(title_text="σ", col=1)
    for column in range(1, columns + 1):
        last = rows if rows * columns - len(panels) <= columns - column else rows - 1
        figure.update_xaxes(title_text="index / r", showticklabels=True, row=last, col=column)
    return finished(figure, source, height, trials=trials, says=says)


def add_curves(
    figure: go.Figure, spectra: Sequence[SpectrumAt], span: tuple[int, int], fell: int | None,
    row: int, col: int,
) -> None:  # fmt: skip
    """A curve per iteration over index / r."""
    for spectrum in spectra:
        dash = "dash" if fell is not None and spectrum.iteration >= fell else "solid"
        figure.add_scatter(
            x=places(spectrum), y=heights(spectrum), mode="lines",
            name=f"iteration {spectrum.iteration:,}", showlegend=False, connectgaps=False,
            line={"color": colour_at(spectrum.iteration, span), "width": 1.6, "dash": dash},
            hovertemplate="%{fullData.name}<br>index/r %{x:.2f}, σ %{y:.3f}<extra></extra>",
            row=row, col=col,
        )  # fmt: skip


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


def add_iterations(figure: go.Figure, span: tuple[int, int], **bar: float | str) -> None:
    """The scale of the colours, by a mark that is nowhere."""
    figure.add_scatter(
        x=[None], y=[None], mode="markers", showlegend=False, hoverinfo="skip",
        marker={
            "color": [span[0]], "cmin": span[0], "cmax": span[1], "showscale": True,
            "colorscale": [[k / 8, colour] for k, colour in enumerate(SCALE)],
            "colorbar": {
                "title": {"text": "iteration"}, "thickness": 12, "outlinewidth": 0,
                "lenmode": "pixels", "len": 180, "y": 1, "yanchor": "top", "tickformat": "~s",
                **bar,
            },
        },
    )  # fmt: skip


def sigma_axis(spectra: Sequence[SpectrumAt]) -> dict[str, Any]:
    """From 0 to 1, and only as far beyond as there are values; logarithmic for very large ones."""
    values = [v for one in spectra for v in one.singular_values if v is not None and v > 0]
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
    seen = {"modes": trial.mode_collapse_at, "spectrum": trial.spectral_collapse_at}
    said = ", ".join(f"{name} ✕ {at:,}" for name, at in seen.items() if at is not None)
    return f"<b>{trial.setting}</b> seed {trial.seed}<br>{said or 'no collapse seen'}"


def _level(spectrum: SpectrumAt) -> float:
    """The mean singular value over the largest; 0 without one."""
    values = [v for v in spectrum.singular_values if v is not None]
    return statistics.fmean(values) / values[0] if values and values[0] else 0.0


def _sinking(trials: Sequence[FigureTrial]) -> str:
    first = [_level(trial.spectra[0]) for trial in trials]
    last = [_level(trial.spectra[-1]) for trial in trials]
    fell = sum(trial.mode_collapse_at is not None for trial in trials)
    return (
        f"Mean σ/σ₁ was {_between(first)} in the first curves and is {_between(last)} in the "
        f"last; mode collapse was seen in {fell} of {len(trials)} runs."
    )


def _between(values: Sequence[float]) -> str:
    low, high = f"{min(values):.2f}", f"{max(values):.2f}"
    return low if low == high else f"{low} to {high}"


def not_shown(missing: Mapping[str, str]) -> str:
    if not missing:
        return ""
    named = ", ".join([*missing][:NOT_NAMED])
    more = f" and {len(missing) - NOT_NAMED} more" if len(missing) > NOT_NAMED else ""
    return f" Not shown, as nothing has been measured yet: {named}{more}."


def by_group(data: FigureData, source: str) -> Figure:
    """Fig. 4: a panel per group, a curve per setting, from its smallest batch to its largest."""
    groups: dict[str, list[FigureTrial]] = {}
    for trial in data.trials:
        groups.setdefault(SETTINGS[trial.setting].group, []).append(trial)
    columns = min(3, len(groups))
    rows = math.ceil(len(groups) / columns)
    figure = subplots(
        rows=rows, cols=columns, shared_yaxes="all", horizontal_spacing=0.03,
        vertical_spacing=0 if rows == 1 else 0.17,
        subplot_titles=[f"<b>group {group}</b>" for group in sorted(groups)],
    )  # fmt: skip
    for k, group in enumerate(sorted(groups)):
        at = {"row": k // columns + 1, "col": k % columns + 1}
        legend = f"legend{k + 2}"
        for place, trial in enumerate(groups[group]):
            _add_setting(figure, trial, place / max(1, len(groups[group]) - 1), legend, **at)
        axis: Any = figure.get_subplot(at["row"], at["col"])
        figure.layout[legend] = {
            "x": axis.xaxis.domain[1], "y": axis.yaxis.domain[1], "xanchor": "right",
            "yanchor": "top", "font": {"size": 10}, "bgcolor": "rgba(0,0,0,0)",
            "orientation": "v", "tracegroupgap": 0,
        }  # fmt: skip
    every = [spectrum for trial in data.trials for spectrum in trial.spectra]
    figure.update_xaxes(range=[-0.02, 1.02], tickvals=[0, 0.5, 1], title_text="index / r")
    figure.update_yaxes(**sigma_axis(every))
    figure.update_yaxes(title_text="σ", col=1)
    figure.update_annotations(font={"size": 13})
    fell = [trial for trial in data.trials if trial.spectral_collapse_at is not None]
    names = f" ({', '.join(trial.setting for trial in fell)})" if fell else ""
    says = (
        f"Spectral collapse was seen in {len(fell)} of {len(data.trials)} runs{names}."
        f"{not_shown(data.missing)}"
    )
    return finished(figure, source, 60 + 310 * rows, trials=len(data.trials), says=says)


def _add_setting(
    figure: go.Figure, trial: FigureTrial, share: float, legend: str, row: int, col: int
) -> None:
    """Its last spectrum, dashed if the spectrum collapsed, a cross if the modes did."""
    spectrum = trial.spectra[-1]
    cross = " ✕" if trial.mode_collapse_at is not None else ""
    dash = "solid" if trial.spectral_collapse_at is None else "dash"
    figure.add_scatter(
        x=places(spectrum), y=heights(spectrum), mode="lines", name=f"{trial.setting}{cross}",
        legend=legend, line={"color": shade(share), "width": 1.8, "dash": dash},
        hovertemplate=f"{trial.setting}, seed {trial.seed}, iteration {spectrum.iteration:,}"
        "<br>index/r %{x:.2f}, σ %{y:.3f}<extra></extra>",
        row=row, col=col,
    )  # fmt: skip
