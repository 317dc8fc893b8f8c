"""Fig. 4 of the paper: the last spectra of a group's settings over one another."""

from __future__ import annotations

import math

from api.drawing.figure import Figure, styled_figure
from api.drawing.look import shade
from api.drawing.panel_grid import Cell, Drawing, add_scatter, panel_grid, set_x_axes, set_y_axes
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
    drawing = panel_grid(
        rows=rows,
        columns=columns,
        shared_y="all",
        horizontal_spacing=0.03,
        vertical_spacing=0 if rows == 1 else 0.17,
        titles=[f"<b>group {group}</b>" for group in sorted(groups)],
    )
    for k, group in enumerate(sorted(groups)):
        cell = k // columns + 1, k % columns + 1
        legend = f"legend{k + 2}"
        for place, trial in enumerate(groups[group]):
            share = place / max(1, len(groups[group]) - 1)
            _add_setting(drawing, trial, share, legend, cell)
        number = drawing.numbers[cell]
        drawing.layout[legend] = {
            "x": drawing.layout[f"xaxis{number}"]["domain"][1],
            "y": drawing.layout[f"yaxis{number}"]["domain"][1],
            "xanchor": "right",
            "yanchor": "top",
            "font": {"size": 10},
            "bgcolor": "rgba(0,0,0,0)",
            "orientation": "v",
            "tracegroupgap": 0,
        }
    every = [spectrum for trial in data.trials for spectrum in trial.spectra]
    set_x_axes(drawing, range=[-0.02, 1.02], tickvals=[0, 0.5, 1], title="index / r")
    set_y_axes(drawing, **sigma_axis(every))
    set_y_axes(drawing, column=1, title="σ")
    fell = [trial for trial in data.trials if trial.spectral_collapse_at is not None]
    names = f" ({', '.join(trial.setting for trial in fell)})" if fell else ""
    summary = (
        f"Spectral collapse was seen in {len(fell)} of {len(data.trials)} runs{names}."
        f"{missing_text(data.missing)}"
    )
    return styled_figure(drawing, source, 60 + 310 * rows, trials=len(data.trials), says=summary)


def _add_setting(
    drawing: Drawing, trial: FigureTrial, share: float, legend: str, cell: Cell
) -> None:
    """Draws the last spectrum, dashed if the spectrum collapsed, with a cross if the modes did."""
    spectrum = trial.spectra[-1]
    cross = " ✕" if trial.mode_collapse_at is not None else ""
    dash = "solid" if trial.spectral_collapse_at is None else "dash"
    add_scatter(
        drawing,
        cell,
        x=places(spectrum),
        y=heights(spectrum),
        mode="lines",
        name=f"{trial.setting}{cross}",
        legend=legend,
        line={"color": shade(share), "width": 1.8, "dash": dash},
        hovertemplate=f"{trial.setting}, seed {trial.seed}, iteration {spectrum.iteration:,}"
        "<br>index/r %{x:.2f}, σ %{y:.3f}<extra></extra>",
    )
