"""Fig. 4 of the paper: the last spectra of a group's settings over one another."""

from __future__ import annotations

import math
from typing import Any

import plotly.graph_objects as go

from api.drawing.figure import Figure, styled_figure, subplots
from api.drawing.look import shade
from api.paper.figures.data import FigureData, FigureTrial
from api.paper.figures.spectra import heights, missing_text, places, sigma_axis
from trainer.config.settings import SETTINGS


def by_group(data: FigureData, source: str) -> Figure:
    """Fig. 4: a panel per group, a curve per setting, from its smallest batch to its largest."""
    groups: dict[str, list[FigureTrial]] = {}
    for trial in data.trials:
        groups.setdefault(SETTINGS[trial.setting].group, []).append(trial)
    columns = min(3, len(groups))
    rows = math.ceil(len(groups) / columns)
    figure = subplots(
        rows=rows,
        cols=columns,
        shared_yaxes="all",
        horizontal_spacing=0.03,
        vertical_spacing=0 if rows == 1 else 0.17,
        subplot_titles=[f"<b>group {group}</b>" for group in sorted(groups)],
    )
    for k, group in enumerate(sorted(groups)):
        cell = {"row": k // columns + 1, "col": k % columns + 1}
        legend = f"legend{k + 2}"
        for place, trial in enumerate(groups[group]):
            _add_setting(figure, trial, place / max(1, len(groups[group]) - 1), legend, **cell)
        axis: Any = figure.get_subplot(cell["row"], cell["col"])
        figure.layout[legend] = {
            "x": axis.xaxis.domain[1],
            "y": axis.yaxis.domain[1],
            "xanchor": "right",
            "yanchor": "top",
            "font": {"size": 10},
            "bgcolor": "rgba(0,0,0,0)",
            "orientation": "v",
            "tracegroupgap": 0,
        }
    every = [spectrum for trial in data.trials for spectrum in trial.spectra]
    figure.update_xaxes(range=[-0.02, 1.02], tickvals=[0, 0.5, 1], title_text="index / r")
    figure.update_yaxes(**sigma_axis(every))
    figure.update_yaxes(title_text="σ", col=1)
    figure.update_annotations(font={"size": 13})
    fell = [trial for trial in data.trials if trial.spectral_collapse_at is not None]
    names = f" ({', '.join(trial.setting for trial in fell)})" if fell else ""
    summary = (
        f"Spectral collapse was seen in {len(fell)} of {len(data.trials)} runs{names}."
        f"{missing_text(data.missing)}"
    )
    return styled_figure(figure, source, 60 + 310 * rows, trials=len(data.trials), says=summary)


def _add_setting(
    figure: go.Figure, trial: FigureTrial, share: float, legend: str, row: int, col: int
) -> None:
    """Draws the last spectrum, dashed if the spectrum collapsed, with a cross if the modes did."""
    spectrum = trial.spectra[-1]
    cross = " ✕" if trial.mode_collapse_at is not None else ""
    dash = "solid" if trial.spectral_collapse_at is None else "dash"
    figure.add_scatter(
        x=places(spectrum),
        y=heights(spectrum),
        mode="lines",
        name=f"{trial.setting}{cross}",
        legend=legend,
        line={"color": shade(share), "width": 1.8, "dash": dash},
        hovertemplate=f"{trial.setting}, seed {trial.seed}, iteration {spectrum.iteration:,}"
        "<br>index/r %{x:.2f}, σ %{y:.3f}<extra></extra>",
        row=row,
        col=col,
    )
