"""Parallel coordinates of a study: an axis per parameter, a line per trial. Pure.

Lines over axes of plain scatter panels: plotly.js draws its own parallel coordinates by code that
it makes as it goes, which the pages' Content-Security-Policy refuses.
"""

from __future__ import annotations

from collections.abc import Sequence

from api.drawing.figure import Figure, no_figure, styled_figure
from api.drawing.look import shade
from api.drawing.panel_grid import (
    Drawing,
    add_annotation,
    add_scatter,
    add_shape,
    panel_grid,
    set_x_axes,
    set_y_axes,
)
from api.searches.models import SearchParameter, SearchStudy, SearchTrial
from api.searches.scatter_figures import drawn_trials, height, nothing_to_draw, text_of
from api.searches.studies import axis
from api.web.words import number

# Of colours by rank, the best trials in the last and brightest.
BANDS = 8
# Below the axis of a parameter run the trials without it.
ABSENT = -0.12
AXIS_COLOUR = "#888888"
TICKS = 5


def parallel(study: SearchStudy, source: str) -> Figure:
    """Lines of all trials through their parameters to their score, the better the brighter."""
    if reason := nothing_to_draw(study):
        return no_figure(reason, source)
    drawing = panel_grid()
    trials_drawn = sorted(drawn_trials(study.trials), key=lambda trial: -trial.objective)
    heights = [height(study, trial) for trial in trials_drawn]
    low, high = min(heights), max(heights)
    for band in range(BANDS):
        start, end = (len(trials_drawn) * k // BANDS for k in (band, band + 1))
        if start < end:
            _add_lines(drawing, study, trials_drawn[start:end], band, (low, high))
    for place, parameter in enumerate(study.parameters):
        _add_axis(drawing, place, _ticks(parameter))
        if any(parameter.name not in trial.parameters for trial in trials_drawn):
            _add_tick(drawing, place, ABSENT, "none")
    last = len(study.parameters)
    scores = [
        (k / (TICKS - 1), number(low + k / (TICKS - 1) * (high - low))) for k in range(TICKS)
    ]
    _add_axis(drawing, last, scores)
    titles = [*(parameter.title for parameter in study.parameters), study.score]
    set_x_axes(
        drawing,
        tickvals=[*range(last + 1)],
        ticktext=titles,
        range=[-0.15, last + 0.4],
        showgrid=False,
        side="top",
        fixedrange=True,
    )
    set_y_axes(drawing, visible=False, range=[-0.2, 1.05], fixedrange=True)
    drawing.layout["dragmode"] = "select"
    drawing.layout["hovermode"] = False
    sentence = f"{len(trials_drawn)} of {len(study.trials)} trials, the better the brighter."
    return styled_figure(drawing, source, 440, trials=len(trials_drawn), says=sentence)


def _add_lines(
    drawing: Drawing,
    study: SearchStudy,
    trials: Sequence[SearchTrial],
    band: int,
    bounds: tuple[float, float],
) -> None:
    """A trace of the lines of trials of about one rank; `meta` has the trial of each of them."""
    x: list[float | None] = []
    y: list[float | None] = []
    low, high = bounds
    for trial in trials:
        x += [*range(len(study.parameters) + 1), None]
        y += [round(_share(parameter, trial), 4) for parameter in study.parameters]
        y += [round((height(study, trial) - low) / (high - low or 1.0), 4), None]
    add_scatter(
        drawing,
        x=x,
        y=y,
        meta=[trial.trial_id for trial in trials],
        mode="lines",
        line={"color": shade(band / (BANDS - 1)), "width": 1.5},
        opacity=0.8,
        showlegend=False,
        hoverinfo="skip",
    )


def _share(parameter: SearchParameter, trial: SearchTrial) -> float:
    """The place of a trial on a parameter's axis, 0 to 1, below it without the parameter."""
    if parameter.name not in trial.parameters:
        return ABSENT
    value = trial.parameters[parameter.name]
    if parameter.choices is not None:
        return parameter.choices.index(value) / (len(parameter.choices) - 1)
    assert not isinstance(value, str)
    return axis(parameter).share(value)


def _ticks(parameter: SearchParameter) -> list[tuple[float, str]]:
    if parameter.choices is not None:
        last = len(parameter.choices) - 1
        return [(k / last, text_of(choice)) for k, choice in enumerate(parameter.choices)]
    shares = [k / (TICKS - 1) for k in range(TICKS)]
    return [(share, number(axis(parameter).value(share))) for share in shares]


def _add_axis(drawing: Drawing, place: int, ticks: Sequence[tuple[float, str]]) -> None:
    line = {"color": AXIS_COLOUR, "width": 1}
    add_shape(drawing, type="line", x0=place, x1=place, y0=0, y1=1, xref="x", yref="y", line=line)
    for share, text in ticks:
        _add_tick(drawing, place, share, text)


def _add_tick(drawing: Drawing, place: int, share: float, text: str) -> None:
    add_annotation(
        drawing,
        x=place,
        y=share,
        xref="x",
        yref="y",
        text=text,
        xanchor="left",
        xshift=3,
        font={"size": 11},
    )
