"""The paper's figures of single runs: spectrum and scores over iterations, side by side."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from api.drawing import thinning
from api.drawing.figure import Figure, below_legend, styled_figure
from api.drawing.lines import iteration_axis
from api.drawing.look import colour, marks_of
from api.drawing.panel_grid import (
    FIRST,
    Cell,
    Drawing,
    add_annotation,
    add_heatmap,
    add_scatter,
    add_vertical,
    panel_grid,
    references,
    set_x_axes,
    set_y_axes,
)
from api.drawing.spectra import SNAPSHOTS, heat, heat_colours
from api.paper.figures.data import FigureData, FigureTrial, SpectrumAt
from api.paper.figures.spectra import add_curves, add_iterations, name_of, sigma_axis, span_of
from sweep.paper.scores import SCORE_TITLES

# Columns of a heat map: as many as a screen shows apart.
HEAT_COLUMNS = 60
WHITE, MARK_INK = "#FFFFFF", "#CC79A7"
# Runs beside one another that still can be read.
MOST_RUNS = 4
# From this ratio of the highest value to the middle one on, an axis is logarithmic.
SQUASHED = 10.0


def spectrum_and_scores(trial: FigureTrial, source: str) -> Figure:
    """Fig. 5: a layer's spectrum above the scores of the same run, on one axis."""
    layer = trial.spectra[0].layer
    drawing = panel_grid(
        rows=3, shared_x="columns", vertical_spacing=0.06, row_heights=[0.5, 0.25, 0.25]
    )
    add_heatmap(drawing, **heat(thinned(trial.spectra)), **heat_colours(y=0.76, len=0.5))
    for panel, (field, title) in enumerate(scores_of(trial), start=2):
        add_score(drawing, trial, field, (panel, 1), legend=False)
        set_y_axes(drawing, title=title, row=panel, **score_axis([trial], field))
    set_y_axes(drawing, title=f"layer_{layer}: index / r", row=1)
    set_x_axes(drawing, range=reach([trial]))
    set_x_axes(drawing, title="iteration", row=3)
    _mark(drawing, trial)
    summary = f"{name_of(trial)}, layer_{layer}: {trial.verdict}"
    return styled_figure(drawing, source, 640, says=summary)


def _mark(drawing: Drawing, trial: FigureTrial) -> None:
    """Draws each signal as a line through all panels, named where it crosses the spectrum."""
    middle = statistics.fmean(reach([trial]))
    for k, (name, iteration, dash) in enumerate(marks_of(trial)):
        for row, ink in ((1, WHITE), (2, MARK_INK), (3, MARK_INK)):
            _add_vertical(drawing, iteration, dash, ink, (row, 1))
        right = iteration > middle
        add_annotation(
            drawing,
            x=iteration,
            y=0.98 - 0.1 * k,
            text=f"{name}, {iteration:,}",
            yanchor="top",
            xanchor="right" if right else "left",
            xshift=-5 if right else 5,
            **references(drawing, FIRST),
            bgcolor="rgba(0,0,0,0.6)",
            font={"color": WHITE, "size": 12},
            borderpad=2,
        )


def thinned(spectra: Sequence[SpectrumAt], most: int = HEAT_COLUMNS) -> list[SpectrumAt]:
    return [spectra[k] for k in thinning.indices(len(spectra), most)]


def scores_of(trial: FigureTrial) -> list[tuple[str, str]]:
    """(field, title) of the distance and of what collapses with the modes."""
    second = ("modes", "modes of 1000")
    if trial.score == "fid":
        second = ("inception_score", "Inception Score<br>(higher is better)")
    return [("distance", f"{SCORE_TITLES[trial.score]}<br>(lower is better)"), second]


def add_score(
    drawing: Drawing, trial: FigureTrial, field: str, cell: Cell, *, legend: bool
) -> None:
    add_scatter(
        drawing,
        cell,
        x=[spectrum.iteration for spectrum in trial.spectra],
        y=[getattr(spectrum, field) for spectrum in trial.spectra],
        mode="lines+markers",
        line={"color": colour(trial.method), "width": 2},
        marker={"size": 5},
        name=trial.method,
        showlegend=legend,
        connectgaps=False,
        hovertemplate=f"{name_of(trial)}<br>iteration %{{x:,}}: %{{y:.4g}}<extra></extra>",
    )


def score_axis(trials: Sequence[FigureTrial], field: str) -> dict[str, Any]:
    """Logarithmic where one value would leave the others in a line at the bottom."""
    values = [getattr(spectrum, field) for trial in trials for spectrum in trial.spectra]
    nonzero = [value for value in values if value]
    squashed = (
        nonzero and min(nonzero) > 0 and max(nonzero) > SQUASHED * statistics.median(nonzero)
    )
    return {"type": "log"} if squashed and field == "distance" else {"rangemode": "tozero"}


def reach(trials: Sequence[FigureTrial]) -> list[float]:
    iterations = [spectrum.iteration for trial in trials for spectrum in trial.spectra]
    return iteration_axis(min(iterations), max(iterations))


def rescue(data: FigureData, source: str) -> Figure:
    """Fig. 6: a run and what branched off it: scores above, spectra of each below."""
    trials, drawing = _two_rows(data)
    span = span_of([spectrum for trial in trials for spectrum in trial.spectra])
    for column, trial in enumerate(trials, start=1):
        snapshots = thinned(trial.spectra, SNAPSHOTS)
        add_curves(drawing, snapshots, span, trial.spectral_collapse_at, (2, column))
    add_iterations(drawing, span, y=0.42)
    every = [spectrum for trial in trials for spectrum in trial.spectra]
    set_y_axes(drawing, row=2, **sigma_axis(every))
    set_y_axes(drawing, title=f"layer_{every[0].layer}: σ", row=2, column=1)
    set_x_axes(drawing, title="index / r", range=[-0.02, 1.02], tickvals=[0, 0.5, 1], row=2)
    for trial in trials:
        if trial.parent_iteration is not None:
            _add_vertical(drawing, trial.parent_iteration, "dot", colour(trial.method), FIRST)
    sentences = [f"{name_of(trial)}{_branch_text(trial)}: {trial.verdict}" for trial in trials]
    return below_legend(
        styled_figure(drawing, source, 650, trials=len(trials), says=" ".join(sentences))
    )


def paired(data: FigureData, source: str) -> Figure:
    """Fig. 7: methods on one setting: scores above, spectra on one colour scale below."""
    trials, drawing = _two_rows(data)
    layer = trials[0].spectra[0].layer
    colours = heat_colours(y=0.2, len=0.45)
    for column, trial in enumerate(trials, start=1):
        spectrum = heat(thinned(trial.spectra))
        add_heatmap(drawing, (2, column), showscale=column == 1, **spectrum, **colours)
        for _, iteration, dash in marks_of(trial):
            _add_vertical(drawing, iteration, dash, WHITE, (2, column))
    set_x_axes(drawing, title="iteration", row=2, range=reach(trials))
    set_y_axes(drawing, title=f"layer_{layer}: index / r", row=2, column=1)
    sentences = [f"{name_of(trial)}: {trial.verdict}" for trial in trials]
    return below_legend(
        styled_figure(drawing, source, 660, trials=len(trials), says=" ".join(sentences))
    )


def _two_rows(data: FigureData) -> tuple[list[FigureTrial], Drawing]:
    """Both scores of every run above, and a place for each run below."""
    trials = [t for t in data.trials if t.setting == data.trials[0].setting][:MOST_RUNS]
    columns = max(2, len(trials))
    first = (columns + 1) // 2
    names = [f"<b>{trial.method}</b>{_branch_text(trial)}" for trial in trials]
    score_titles = [title.replace("<br>", " ") for _, title in scores_of(trials[0])]
    drawing = panel_grid(
        rows=2,
        columns=columns,
        spans={(1, 1): first, (1, first + 1): columns - first},
        vertical_spacing=0.17,
        horizontal_spacing=0.07 if columns == 2 else 0.05,
        titles=[*score_titles, *names],
    )
    for column, (field, _) in zip((1, first + 1), scores_of(trials[0]), strict=True):
        for trial in trials:
            add_score(drawing, trial, field, (1, column), legend=column == 1)
            if trial.mode_collapse_at is not None:
                _add_cross(drawing, trial, field, (1, column))
        set_y_axes(drawing, row=1, column=column, **score_axis(trials, field))
    set_x_axes(drawing, row=1, title="iteration", range=reach(trials))
    return trials, drawing


def _add_cross(drawing: Drawing, trial: FigureTrial, field: str, cell: Cell) -> None:
    """Marks where mode collapse began, on the run's own line."""
    start = next(
        (spectrum for spectrum in trial.spectra if spectrum.iteration == trial.mode_collapse_at),
        None,
    )
    if start is not None:
        add_scatter(
            drawing,
            cell,
            x=[start.iteration],
            y=[getattr(start, field)],
            mode="markers",
            showlegend=False,
            marker={
                "symbol": "x-thin",
                "size": 13,
                "line": {"width": 3, "color": colour(trial.method)},
            },
            hovertemplate=f"{trial.method}: mode collapse from here on<extra></extra>",
        )


def _branch_text(trial: FigureTrial) -> str:
    return "" if trial.parent_iteration is None else f" from iteration {trial.parent_iteration:,}"


def _add_vertical(drawing: Drawing, x: int, dash: str, ink: str, cell: Cell) -> None:
    if ink == WHITE:  # on a spectrum, whose brightest colour is nearly white
        add_vertical(drawing, x, {"width": 5, "color": "rgba(0,0,0,0.55)"}, cell)
    add_vertical(drawing, x, {"dash": dash, "width": 2, "color": ink}, cell)
