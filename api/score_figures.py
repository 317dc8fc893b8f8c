"""The figures of best scores: every seed a mark, collapsed ones a cross, none out of sight."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from api import thinning
from api.figures import SCORE_NAMES, colour, finished, in_order
from api.models import Figure
from api.snapshot import Row
from api.table2_models import MethodScore, SeedScore, SettingScores
from api.trends import OverI, StaticDynamic
from sweep.pairs import t_interval
from sweep.results import FINISHED

# Marks in one picture; of more, as many as fit are shown of each method and setting.
MOST_MARKS = 1200
# Beyond this ratio to the middle value, a mark is drawn at the upper edge.
SQUASHED = 6.0
SYMBOLS = {
    "finished": "circle", "mode collapse": "x-thin", "not finished": "circle-open",
    "beyond the axis": "triangle-up",
}  # fmt: skip
SECOND = {
    "fd_digits": ("best_modes", "modes of 1000 (higher is better)"),
    "fid": ("best_inception_score", "Inception Score (higher is better)"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A trial's place in a picture, and what is said where a pointer rests on it."""

    x: float
    y: float
    kind: str
    text: str


def mark(x: float, y: float, seed: SeedScore, about: str) -> Mark:
    kind = "finished" if seed.status in FINISHED else "not finished"
    kind = kind if seed.mode_collapse_at is None else "mode collapse"
    return Mark(x=x, y=y, kind=kind, text=f"{about} seed {seed.seed}, {seed.status}")


def ceiling(values: Sequence[float]) -> float | None:
    """The upper end of an axis that one value would squash; None where none would."""
    if not values or max(values) <= SQUASHED * (middle := statistics.median(values)):
        return None
    return 1.15 * max(value for value in values if value <= SQUASHED * middle)


def add_marks(
    figure: go.Figure, method: str, marks: Sequence[Mark], top: float | None, *, row: int = 1,
    col: int = 1, legend: bool = True,
) -> int:  # fmt: skip
    """A trace per kind of mark; returns how many are beyond `top` and drawn at it."""
    kinds: dict[str, list[Mark]] = {}
    for one in marks:
        beyond = top is not None and one.y > top
        kinds.setdefault("beyond the axis" if beyond else one.kind, []).append(one)
    named = next((kind for kind in SYMBOLS if kind in kinds), None)
    for kind in SYMBOLS:
        if kind not in kinds:
            continue
        ink = colour(method)
        width = 3 if kind == "mode collapse" else 2 if kind == "not finished" else 0
        figure.add_scatter(
            x=[one.x for one in kinds[kind]],
            y=[min(one.y, top) if top is not None else one.y for one in kinds[kind]],
            mode="markers", name=method, legendgroup=method, showlegend=legend and kind == named,
            marker={"symbol": SYMBOLS[kind], "size": 10, "opacity": 0.8, "color": ink,
                    "line": {"width": width, "color": ink}},
            text=[f"{one.text}: {one.y:.4g}" for one in kinds[kind]],
            hovertemplate="%{text}<extra></extra>", row=row, col=col,
        )  # fmt: skip
    return len(kinds.get("beyond the axis", ()))


def over_i(items: Sequence[OverI], records: Mapping[str, Row], source: str) -> Figure:
    """Fig. 8 of one setting: best scores against i, what lifts nothing as bands."""
    score = items[0].points[0].score
    column, second = SECOND[score]
    seconds = {trial_id: row[column] for trial_id, row in records.items()}
    both = any(
        seconds.get(s.trial_id) is not None for i in items for p in i.points for s in p.seeds
    )
    titles = [f"best {SCORE_NAMES[score]} (lower is better)", *([second] if both else [])]
    figure = make_subplots(
        rows=1, cols=len(titles), subplot_titles=titles, horizontal_spacing=0.07
    )
    beyond = 0
    for col in range(1, len(titles) + 1):
        values = {} if col == 1 else seconds
        beyond += _panel(figure, items, values if col > 1 else None, col)
    figure.update_xaxes(title_text="i / r, share of singular values lifted", range=[0, 1.05])
    figure.update_yaxes(rangemode="tozero")
    figure.update_annotations(font={"size": 13})
    cells = [cell for item in items for cell in item.points]
    cells += [cell for cell in items[0].beside.values()]
    shown = sum(len(cell.seeds) for cell in cells)
    says = " ".join(_trend(item) for item in items) + _left_out(cells, beyond)
    return finished(figure, source, 460, trials=shown).model_copy(update={"says": says})


def _panel(
    figure: go.Figure, items: Sequence[OverI], values: Mapping[str, Any] | None, col: int
) -> int:
    """Returns how many marks are beyond the axis. `values` None stands for the best distance."""
    bands = {method: _values(cell, values) for method, cell in items[0].beside.items()}
    dots = {
        item.method: [
            [(seed, value) for seed in cell.seeds if (value := _value(seed, values)) is not None]
            for cell in item.points
        ]
        for item in items
    }
    every = [v for of in dots.values() for cell in of for _, v in cell]
    top = ceiling(every + [v for of in bands.values() for v in of])
    for method in in_order(bands):
        _band(figure, method, bands[method], col)
    beyond = 0
    for item in items:
        marks = []
        for cell, seeds in zip(item.points, dots[item.method], strict=True):
            about = f"{item.method}, i {cell.i_ratio:g} r,"
            marks += [mark(cell.i_ratio or 0.0, value, seed, about) for seed, value in seeds]
        beyond += add_marks(figure, item.method, marks, top, col=col, legend=col == 1)
        _means(figure, item, dots[item.method], col)
    return beyond


def _value(seed: SeedScore, values: Mapping[str, Any] | None) -> float | None:
    return seed.best if values is None else values.get(seed.trial_id)


def _values(cell: MethodScore, values: Mapping[str, Any] | None) -> list[float]:
    known = (_value(s, values) for s in cell.seeds if s.status in FINISHED)
    return [value for value in known if value is not None]


def _band(figure: go.Figure, method: str, values: Sequence[float], col: int) -> None:
    """From the lowest to the highest seed, a line at the mean."""
    if not values:
        return
    if len(values) > 1:
        place: Any = {"row": 1, "col": col}
        look: Any = {"fillcolor": colour(method), "opacity": 0.16, "line_width": 0}
        figure.add_hrect(y0=min(values), y1=max(values), **look, **place)
    mean = statistics.fmean(values)
    figure.add_scatter(
        x=[0, 1.05], y=[mean, mean], mode="lines", line={"color": colour(method), "width": 2},
        name=f"{method}: mean and range of {len(values)} seed{'s' if len(values) > 1 else ''}",
        legendgroup=method, showlegend=col == 1, row=1, col=col,
        hovertemplate=f"{method} mean %{{y:.4g}}<extra></extra>",
    )  # fmt: skip


def _means(
    figure: go.Figure, item: OverI, cells: Sequence[Sequence[tuple[SeedScore, float]]], col: int
) -> None:
    """A line through the means of the finished seeds, with a t interval from three on."""
    x, y, half = [], [], []
    for cell, seeds in zip(item.points, cells, strict=True):
        values = [value for seed, value in seeds if seed.status in FINISHED]
        if values:
            x.append(cell.i_ratio)
            y.append(statistics.fmean(values))
            half.append(t_interval(values)[1] - y[-1] if len(values) > 2 else 0)
    if len(x) > 1 or any(half):
        figure.add_scatter(
            x=x, y=y, mode="lines", line={"color": colour(item.method), "width": 1.5},
            error_y={"array": half, "visible": any(half), "color": colour(item.method)},
            legendgroup=item.method, showlegend=False, row=1, col=col,
            hovertemplate=f"{item.method} mean %{{y:.4g}}<extra></extra>",
        )  # fmt: skip


def _trend(item: OverI) -> str:
    if item.text is None:
        return f"{item.method}: {item.agrees.says}."
    return (
        f"The text on group {item.group}: {item.text}. Measured with {item.method}: it "
        f"{item.agrees.verdict.replace('not measured', 'is not measured yet')} "
        f"({item.agrees.says})."
    )


def _left_out(cells: Sequence[MethodScore], beyond: int) -> str:
    lost = sum(seed.best is None for cell in cells for seed in cell.seeds)
    said = f" {lost} of the trials have no score yet or ever." if lost else ""
    return said + (
        f" {beyond} marks beyond the axis are drawn at its upper edge." if beyond else ""
    )


def static_dynamic(items: Sequence[StaticDynamic], source: str) -> Figure:
    """Fig. 12: static against dynamic compensation by setting."""
    measured = {item.setting: item.methods for item in items}
    says = " ".join(
        f"{item.setting}: the text has {item.text} better; with {method} that {answer.verdict}."
        for item in items
        if item.text is not None
        for method, answer in item.agrees.items()
    )
    return _by_setting(measured, says or "No setting has both measured.", source)


def seeds(rows: Sequence[SettingScores], profile: str, source: str) -> Figure:
    """Every seed's best score by setting and method."""
    measured = {r.setting: r.measured[profile] for r in rows if profile in r.measured}
    return _by_setting(measured, "", source)


def _by_setting(
    measured: Mapping[str, Mapping[str, MethodScore]], says: str, source: str
) -> Figure:
    cells = [cell for by in measured.values() for cell in by.values()]
    methods = in_order(cell.method for cell in cells)
    known = [s.best for cell in cells for s in cell.seeds if s.best is not None]
    top, share = ceiling(known), max(1, MOST_MARKS // len(cells))
    figure, beyond = make_subplots(), 0
    for place, method in enumerate(methods):
        shift = (place - (len(methods) - 1) / 2) * min(0.17, 0.8 / len(methods))
        marks = [
            mark(round(at + shift, 3), best, seed, f"{setting} {method}")
            for at, (setting, by) in enumerate(measured.items())
            if method in by
            for seed, best in _spread(by[method].seeds, share)
        ]
        beyond += add_marks(figure, method, marks, top)
    names = [*measured]
    figure.update_xaxes(
        tickvals=list(range(len(names))), ticktext=names, range=[-0.6, len(names) - 0.4],
        tickangle=-60 if len(names) > 8 else 0,
    )  # fmt: skip
    figure.update_yaxes(
        title_text=f"best {SCORE_NAMES[cells[0].score]} (lower is better)", rangemode="tozero"
    )
    for a, b in itertools.pairwise(range(len(names))):
        figure.add_vline(x=(a + b) / 2, line={"width": 1, "color": "rgba(128,128,128,0.15)"})
    shown = sum(len(cell.seeds) for cell in cells)
    if shown > len(cells) * share:
        says += f" Of each method and setting at most {share} seeds are drawn, evenly over them."
    fell = sum(s.mode_collapse_at is not None for cell in cells for s in cell.seeds)
    says += f" Mode collapse was seen in {fell} of {shown} runs.{_left_out(cells, beyond)}"
    return finished(figure, source, 440, trials=shown).model_copy(update={"says": says.strip()})


def _spread(seeds: Sequence[SeedScore], most: int) -> list[tuple[SeedScore, float]]:
    """At most so many, from the lowest score to the highest, both among them."""
    scored = sorted(((s, s.best) for s in seeds if s.best is not None), key=lambda pair: pair[1])
    return [scored[k] for k in thinning.indices(len(scored), max(2, most))]
