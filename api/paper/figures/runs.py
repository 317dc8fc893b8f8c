"""The paper's figures of single runs: spectrum and scores over iterations, side by side."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from api.drawing import thinning
from api.drawing.figure import Figure, below_legend, styled_figure, subplots
from api.drawing.lines import iteration_axis
from api.drawing.look import colour, marks_of
from api.drawing.spectra import SNAPSHOTS, heat
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
    figure = subplots(
        rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.06, row_heights=[0.5, 0.25, 0.25]
    )
    spectrum = heat(thinned(trial.spectra))
    spectrum.update(colorbar={"y": 0.76, "len": 0.5})
    figure.add_trace(spectrum, row=1, col=1)
    for panel, (field, title) in enumerate(scores_of(trial), start=2):
        add_score(figure, trial, field, panel, 1)
        figure.update_yaxes(title_text=title, row=panel, col=1, **score_axis([trial], field))
    figure.update_yaxes(title_text=f"layer_{layer}: index / r", row=1, col=1)
    figure.update_xaxes(range=reach([trial]))
    figure.update_xaxes(title_text="iteration", row=3, col=1)
    _mark(figure, trial)
    summary = f"{name_of(trial)}, layer_{layer}: {trial.verdict}"
    return styled_figure(figure, source, 640, says=summary)


def _mark(figure: go.Figure, trial: FigureTrial) -> None:
    """Draws each signal as a line through all panels, named where it crosses the spectrum."""
    middle = statistics.fmean(reach([trial]))
    for k, (name, iteration, dash) in enumerate(marks_of(trial)):
        for row, ink in ((1, WHITE), (2, MARK_INK), (3, MARK_INK)):
            _vertical(figure, iteration, dash, ink, row, 1)
        right = iteration > middle
        figure.add_annotation(
            x=iteration,
            y=0.98 - 0.1 * k,
            text=f"{name}, {iteration:,}",
            showarrow=False,
            yanchor="top",
            xanchor="right" if right else "left",
            xshift=-5 if right else 5,
            row=1,
            col=1,
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


def add_score(figure: go.Figure, trial: FigureTrial, field: str, row: int, col: int) -> None:
    figure.add_scatter(
        x=[spectrum.iteration for spectrum in trial.spectra],
        y=[getattr(spectrum, field) for spectrum in trial.spectra],
        mode="lines+markers",
        line={"color": colour(trial.method), "width": 2},
        marker={"size": 5},
        name=trial.method,
        showlegend=False,
        connectgaps=False,
        hovertemplate=f"{name_of(trial)}<br>iteration %{{x:,}}: %{{y:.4g}}<extra></extra>",
        row=row,
        col=col,
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
    trials, figure = _two_rows(data)
    span = span_of([spectrum for trial in trials for spectrum in trial.spectra])
    for col, trial in enumerate(trials, start=1):
        snapshots = thinned(trial.spectra, SNAPSHOTS)
        add_curves(figure, snapshots, span, trial.spectral_collapse_at, 2, col)
    add_iterations(figure, span, y=0.42)
    every = [spectrum for trial in trials for spectrum in trial.spectra]
    figure.update_yaxes(row=2, **sigma_axis(every))
    figure.update_yaxes(title_text=f"layer_{every[0].layer}: σ", row=2, col=1)
    figure.update_xaxes(title_text="index / r", range=[-0.02, 1.02], tickvals=[0, 0.5, 1], row=2)
    for trial in trials:
        if trial.parent_iteration is not None:
            _vertical(figure, trial.parent_iteration, "dot", colour(trial.method), 1, 1)
    sentences = [f"{name_of(trial)}{_branch_text(trial)}: {trial.verdict}" for trial in trials]
    return below_legend(
        styled_figure(figure, source, 650, trials=len(trials), says=" ".join(sentences))
    )


def paired(data: FigureData, source: str) -> Figure:
    """Fig. 7: methods on one setting: scores above, spectra on one colour scale below."""
    trials, figure = _two_rows(data)
    layer = trials[0].spectra[0].layer
    for col, trial in enumerate(trials, start=1):
        spectrum = heat(thinned(trial.spectra))
        spectrum.update(showscale=col == 1, colorbar={"y": 0.2, "len": 0.45})
        figure.add_trace(spectrum, row=2, col=col)
        for _, iteration, dash in marks_of(trial):
            _vertical(figure, iteration, dash, WHITE, 2, col)
    figure.update_xaxes(title_text="iteration", row=2, range=reach(trials))
    figure.update_yaxes(title_text=f"layer_{layer}: index / r", row=2, col=1)
    sentences = [f"{name_of(trial)}: {trial.verdict}" for trial in trials]
    return below_legend(
        styled_figure(figure, source, 660, trials=len(trials), says=" ".join(sentences))
    )


def _two_rows(data: FigureData) -> tuple[list[FigureTrial], go.Figure]:
    """Both scores of every run above, and a place for each run below."""
    trials = [t for t in data.trials if t.setting == data.trials[0].setting][:MOST_RUNS]
    columns = max(2, len(trials))
    first = (columns + 1) // 2
    above: list[dict[str, int] | None] = [None] * columns
    above[0], above[first] = {"colspan": first}, {"colspan": columns - first}
    names = [f"<b>{trial.method}</b>{_branch_text(trial)}" for trial in trials]
    figure = subplots(
        rows=2,
        cols=columns,
        specs=[above, [{}] * columns],
        vertical_spacing=0.17,
        horizontal_spacing=0.07 if columns == 2 else 0.05,
        subplot_titles=[
            *[title.replace("<br>", " ") for _, title in scores_of(trials[0])],
            *names,
            *[""] * (columns - len(names)),
        ],
    )
    for col, (field, _) in zip((1, first + 1), scores_of(trials[0]), strict=True):
        for trial in trials:
            add_score(figure, trial, field, 1, col)
            figure.data[-1].update(showlegend=col == 1, name=trial.method)
            if trial.mode_collapse_at is not None:
                _cross(figure, trial, field, col)
        figure.update_yaxes(row=1, col=col, **score_axis(trials, field))
        figure.update_xaxes(title_text="iteration", row=1, col=col, range=reach(trials))
    figure.update_annotations(font={"size": 13})
    return trials, figure


def _cross(figure: go.Figure, trial: FigureTrial, field: str, col: int) -> None:
    """Marks where mode collapse began, on the run's own line."""
    start = next(
        (spectrum for spectrum in trial.spectra if spectrum.iteration == trial.mode_collapse_at),
        None,
    )
    if start is not None:
        figure.add_scatter(
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
            row=1,
            col=col,
        )


def _branch_text(trial: FigureTrial) -> str:
    return "" if trial.parent_iteration is None else f" from iteration {trial.parent_iteration:,}"


def _vertical(figure: go.Figure, x: int, dash: str, ink: str, row: int, col: int) -> None:
    place: Any = {"row": row, "col": col}
    if ink == WHITE:  # on a spectrum, whose brightest colour is nearly white
        figure.add_vline(x=x, line={"width": 5, "color": "rgba(0,0,0,0.55)"}, **place)
    figure.add_vline(x=x, line={"dash": dash, "width": 2, "color": ink}, **place)
