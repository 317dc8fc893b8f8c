"""Figures of a study's score over what it varies: slices, and the contour over two. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from api.drawing.figure import Figure, below_legend, no_figure, styled_figure
from api.drawing.look import VIRIDIS_SCALE, colour, in_order
from api.drawing.panel_grid import (
    Cell,
    Drawing,
    add_contour,
    add_heatmap,
    add_scatter,
    panel_grid,
    set_x_axes,
    set_y_axes,
)
from api.searches.models import SearchParameter, SearchStudy, SearchTrial, Value
from api.searches.studies import axis
from api.web.words import number
from sweep.report.importance import is_number

COLUMNS = 3
PANEL_HEIGHT, EDGES = 260, 110
# Trials that a figure draws: a third of them the best, the others evenly over the search.
MOST_TRIALS = 600
# Cells of the contour along many numbers; choices have one each.
CONTOUR_CELLS = 25
# Further from every trial than this, as a share of both axes, the contour is left open.
REACH = 0.35
TICKS = 7
# Place across and upward, the mean of the values there, and their number.
Point = tuple[float, float, float, int]
PLAIN = "trials"
SYMBOLS = {"scored": "circle", "rung": "circle-open", "none": "triangle-up-open"}


def slices(study: SearchStudy, source: str, *, log: bool = False) -> Figure:
    """The score over each parameter, a panel each: a mark is a trial, its colour the method."""
    if reason := nothing_to_draw(study):
        return no_figure(reason, source)
    columns = min(COLUMNS, len(study.parameters))
    rows = math.ceil(len(study.parameters) / columns)
    drawing = panel_grid(
        rows=rows,
        columns=columns,
        shared_y="all",
        horizontal_spacing=0.04,
        vertical_spacing=0.22 if rows > 1 else 0.0,
    )
    trials_drawn = drawn_trials(study.trials)
    by_method = by_colour(study, trials_drawn)
    for place, parameter in enumerate(study.parameters):
        cell = place // columns + 1, place % columns + 1
        for name, trials in by_method.items():
            _add_marks(drawing, cell, study, parameter, name, trials, first=place == 0)
        _set_axis(drawing, cell, parameter)
    positive = all(height(study, trial) > 0 for trial in trials_drawn)
    set_y_axes(drawing, type="log" if log and positive else "linear")
    set_y_axes(drawing, column=1, title=study.score)
    figure = styled_figure(
        drawing,
        source,
        EDGES + PANEL_HEIGHT * rows,
        trials=len(trials_drawn),
        says=_sentence(trials_drawn, len(study.trials)),
    )
    return below_legend(figure) if len(by_method) > 1 else figure


def nothing_to_draw(study: SearchStudy) -> str | None:
    """Says why a study has no figure over its parameters."""
    if study.best is None:
        return "No trial of this study has ended with a score yet."
    if not study.parameters:
        return "All trials of this study have the same parameters."
    return None


def drawn_trials(trials: Sequence[SearchTrial]) -> list[SearchTrial]:
    """All trials, or of very many the best and an even share of the others, in their order."""
    if len(trials) <= MOST_TRIALS:
        return [*trials]
    ranked = sorted(trials, key=lambda trial: trial.objective)
    best, rest = ranked[: MOST_TRIALS // 3], ranked[MOST_TRIALS // 3 :]
    rest.sort(key=lambda trial: trial.number)
    step = math.ceil(len(rest) / (MOST_TRIALS - len(best)))
    return sorted([*best, *rest[::step]], key=lambda trial: trial.number)


def by_colour(
    study: SearchStudy, trials: Sequence[SearchTrial]
) -> Mapping[str, Sequence[SearchTrial]]:
    """The trials by method, where that varies; else all of them as one."""
    if all(parameter.name != "method" for parameter in study.parameters):
        return {PLAIN: trials}
    methods = [str(trial.parameters.get("method")) for trial in trials]
    return {
        method: [t for t, own in zip(trials, methods, strict=True) if own == method]
        for method in in_order(methods)
    }


def height(study: SearchStudy, trial: SearchTrial) -> float:
    """The score of a trial; the worst one that there is for a trial without a score."""
    value = study.worst if trial.score is None else trial.score
    assert value is not None  # a figure is drawn only where there is a score
    return value


def in_words(study: SearchStudy, trial: SearchTrial) -> str:
    """The trial as a line for the pointer: its number, score and parameters."""
    value = "no score" if trial.score is None else f"{study.score} {number(trial.score)}"
    parts = [
        f"{parameter.title} {text_of(trial.parameters[parameter.name])}"
        for parameter in study.parameters
        if parameter.name in trial.parameters
    ]
    rung = "" if trial.rung is None else f", stopped at rung {trial.rung}"
    return f"#{trial.number}: {value}{rung}<br>{', '.join(parts)}"


def text_of(value: Value) -> str:
    return f"{value:g}" if is_number(value) else str(value)


def _add_marks(
    drawing: Drawing,
    cell: Cell,
    study: SearchStudy,
    parameter: SearchParameter,
    name: str,
    trials: Sequence[SearchTrial],
    *,
    first: bool,
) -> None:
    having = [trial for trial in trials if parameter.name in trial.parameters]
    if not having and not first:
        return
    add_scatter(
        drawing,
        cell,
        x=[position(parameter, trial.parameters[parameter.name]) for trial in having],
        y=[height(study, trial) for trial in having],
        text=[in_words(study, trial) for trial in having],
        mode="markers",
        marker={
            "symbol": [_symbol(trial) for trial in having],
            "size": 7,
            "opacity": 0.75,
            **_marker_colour(name, having),
        },
        name=name,
        legendgroup=name,
        showlegend=first and name != PLAIN,
        hovertemplate="%{text}<extra></extra>",
    )


def _marker_colour(name: str, trials: Sequence[SearchTrial]) -> dict[str, Any]:
    """A method has its colour; where it does not vary, late trials are bright."""
    if name != PLAIN:
        return {"color": colour(name)}
    return {"color": [trial.number for trial in trials], "colorscale": VIRIDIS_SCALE}


def _symbol(trial: SearchTrial) -> str:
    if trial.score is None:
        return SYMBOLS["none"]
    return SYMBOLS["scored" if trial.rung is None else "rung"]


def position(parameter: SearchParameter, value: Any) -> Any:
    """The place of a value on the parameter's axis: choices stand side by side."""
    return value if parameter.choices is None else text_of(value)


def _axis_fields(parameter: SearchParameter) -> dict[str, Any]:
    if parameter.choices is None:
        kind = "log" if parameter.log else "linear"
        return {"title": parameter.title, "type": kind, "nticks": TICKS}
    names = [text_of(choice) for choice in parameter.choices]
    return {
        "title": parameter.title,
        "type": "category",
        "categoryorder": "array",
        "categoryarray": names,
        "range": [-0.5, len(names) - 0.5],
    }


def _set_axis(drawing: Drawing, cell: Cell, parameter: SearchParameter) -> None:
    row, column = cell
    set_x_axes(drawing, row=row, column=column, **_axis_fields(parameter))


def _sentence(trials_drawn: Sequence[SearchTrial], total: int) -> str:
    sentence = f"{len(trials_drawn)} trials"
    if len(trials_drawn) < total:
        sentence = f"{len(trials_drawn)} of {total} trials, the best among them"
    without_score = sum(trial.score is None for trial in trials_drawn)
    if without_score:
        sentence += (
            f"; △ at the worst score are {without_score} without a score before mode collapse"
        )
    if any(trial.rung is not None for trial in trials_drawn):
        sentence += "; ○ were stopped at a rung, with the score that they had there"
    return f"{sentence}."


def contour(study: SearchStudy, x: str, y: str, source: str) -> Figure:
    """The score over two parameters, from that of the trials near by, and the trials themselves.

    Between trials it is their mean weighted by the inverse squared distance (Shepard's), where
    both axes are as long; it is left open far from any.
    """
    if reason := nothing_to_draw(study):
        return no_figure(reason, source)
    by_name = {parameter.name: parameter for parameter in study.parameters}
    if x == y or x not in by_name or y not in by_name:
        return no_figure("Choose two different parameters.", source)
    across, upward = by_name[x], by_name[y]
    trials = [trial for trial in study.trials if {x, y} <= trial.parameters.keys()]
    if not trials:
        return no_figure(f"No trial has both {across.title} and {upward.title}.", source)
    drawing = panel_grid()
    points = _mean_points(
        (
            _share(across, trial.parameters[x]),
            _share(upward, trial.parameters[y]),
            height(study, trial),
        )
        for trial in trials
    )
    grid_x, grid_y = _grid(across), _grid(upward)
    heights = [
        [_shepard(points, (share_x, share_y)) for share_x, _ in grid_x] for share_y, _ in grid_y
    ]
    is_smooth = across.choices is None and upward.choices is None
    (add_contour if is_smooth else add_heatmap)(
        drawing,
        x=[place for _, place in grid_x],
        y=[place for _, place in grid_y],
        z=heights,
        colorscale=VIRIDIS_SCALE,
        reversescale=not study.higher_is_better,
        colorbar={"title": {"text": study.score, "side": "right"}, "thickness": 12},
        hovertemplate=f"about %{{z:.4g}} {study.score}<extra></extra>",
        contours={"coloring": "heatmap"} if is_smooth else None,
    )
    trials_drawn = drawn_trials(trials)
    add_scatter(
        drawing,
        x=[position(across, trial.parameters[x]) for trial in trials_drawn],
        y=[position(upward, trial.parameters[y]) for trial in trials_drawn],
        text=[in_words(study, trial) for trial in trials_drawn],
        mode="markers",
        marker={
            "size": 7,
            "color": "white",
            "line": {"color": "#222", "width": 1},
            "symbol": [_symbol(trial).removesuffix("-open") for trial in trials_drawn],
        },
        showlegend=False,
        hovertemplate="%{text}<extra></extra>",
    )
    set_x_axes(drawing, **_axis_fields(across))
    set_y_axes(drawing, **_axis_fields(upward))
    return styled_figure(
        drawing, source, 460, trials=len(trials), says=_sentence(trials_drawn, len(trials))
    )


def _grid(parameter: SearchParameter) -> list[tuple[float, Any]]:
    """Places along an axis: the share of its length, and the value there."""
    if parameter.choices is not None:
        return [(_share(parameter, choice), text_of(choice)) for choice in parameter.choices]
    shares = [k / (CONTOUR_CELLS - 1) for k in range(CONTOUR_CELLS)]
    return [(share, axis(parameter).value(share)) for share in shares]


def _share(parameter: SearchParameter, value: Any) -> float:
    """The place of a value on its axis, 0 to 1; choices are as far apart as its ends."""
    if parameter.choices is not None:
        return float(parameter.choices.index(value))
    return axis(parameter).share(value)


def _mean_points(points: Iterable[tuple[float, float, float]]) -> list[Point]:
    """The mean of the values at each place, and their number: many trials are at few places."""
    values: dict[tuple[float, float], list[float]] = {}
    for across, upward, value in points:
        values.setdefault((across, upward), []).append(value)
    return [(*place, math.fsum(own) / len(own), len(own)) for place, own in values.items()]


def _shepard(points: Sequence[Point], place: tuple[float, float]) -> float | None:
    """The mean of the points near a place, the one at the place alone if there is one."""
    weights, total = 0.0, 0.0
    for across, upward, value, count in points:
        square = (across - place[0]) ** 2 + (upward - place[1]) ** 2
        if square < 1e-12:
            return value
        if square <= REACH**2:
            weights += count / square
            total += count / square * value
    return total / weights if weights else None
