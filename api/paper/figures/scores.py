"""Best scores by setting and method, every seed a mark: Fig. 12, and all of them."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from api.drawing import thinning
from api.drawing.figure import Figure, styled_figure
from api.drawing.look import colour, in_order
from api.drawing.panel_grid import (
    FIRST,
    Cell,
    Drawing,
    add_scatter,
    add_vertical,
    panel_grid,
    set_x_axes,
    set_y_axes,
)
from api.paper.table2 import MethodScore, SeedScore, SettingScores
from api.paper.trends import StaticDynamic
from sweep.paper.scores import SCORE_TITLES
from sweep.store.vocabulary import FINISHED

# Beyond this ratio to the middle value, a mark is drawn at the upper edge.
SQUASHED = 6.0
SYMBOLS = {
    "finished": "circle", "mode collapse": "x-thin", "not finished": "circle-open",
    "beyond the axis": "triangle-up",
}  # fmt: skip

# Marks in one picture; of more, as many as fit are shown of each method and setting.
MOST_MARKS = 1200


def static_dynamic(items: Sequence[StaticDynamic], source: str) -> Figure:
    """Fig. 12: static against dynamic compensation by setting."""
    measured = {item.setting: item.methods for item in items}
    summary = " ".join(
        f"{item.setting}: the text has {item.text} better; with {method} that {answer.verdict}."
        for item in items
        if item.text is not None
        for method, answer in item.agrees.items()
    )
    return _scores_by_setting(measured, summary or "No setting has both measured.", source)


def seeds(rows: Sequence[SettingScores], profile: str, source: str) -> Figure:
    """Every seed's best score by setting and method."""
    measured = {r.setting: r.measured[profile] for r in rows if profile in r.measured}
    return _scores_by_setting(measured, "", source)


def _scores_by_setting(
    measured: Mapping[str, Mapping[str, MethodScore]], summary: str, source: str
) -> Figure:
    cells = [cell for cells_by_method in measured.values() for cell in cells_by_method.values()]
    methods = in_order(cell.method for cell in cells)
    scores = [s.best for cell in cells for s in cell.seeds if s.best is not None]
    top, share = ceiling(scores), max(1, MOST_MARKS // len(cells))
    drawing, beyond = panel_grid(), 0
    for place, method in enumerate(methods):
        shift = (place - (len(methods) - 1) / 2) * min(0.17, 0.8 / len(methods))
        marks = [
            mark(round(column + shift, 3), best, seed, f"{setting} {method}")
            for column, (setting, cells_by_method) in enumerate(measured.items())
            if method in cells_by_method
            for seed, best in _even_choice(cells_by_method[method].seeds, share)
        ]
        beyond += add_marks(drawing, method, marks, top)
    names = [*measured]
    set_x_axes(
        drawing,
        tickvals=list(range(len(names))),
        ticktext=names,
        range=[-0.6, len(names) - 0.4],
        tickangle=-60 if len(names) > 8 else 0,
        showgrid=False,
    )
    set_y_axes(
        drawing, title=f"best {SCORE_TITLES[cells[0].score]} (lower is better)", rangemode="tozero"
    )
    for a, b in itertools.pairwise(range(len(names))):
        add_vertical(drawing, (a + b) / 2, {"width": 1, "color": "rgba(128,128,128,0.25)"})
    trials = sum(len(cell.seeds) for cell in cells)
    if trials > len(cells) * share:
        summary += (
            f" Of each method and setting at most {share} seeds are drawn, evenly over them."
        )
    collapsed = sum(s.mode_collapse_at is not None for cell in cells for s in cell.seeds)
    summary += f" Mode collapse was seen in {collapsed} of {trials} runs.{left_out(cells, beyond)}"
    return styled_figure(drawing, source, 440, trials=trials, says=summary.strip())


def _even_choice(seeds: Sequence[SeedScore], most: int) -> list[tuple[SeedScore, float]]:
    """Seeds with a score, `most` at most, evenly from the lowest score to the highest."""
    scored = sorted(((s, s.best) for s in seeds if s.best is not None), key=lambda pair: pair[1])
    return [scored[k] for k in thinning.indices(len(scored), max(2, most))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A trial's place in a picture, and what is said where a pointer rests on it."""

    x: float
    y: float
    kind: str
    text: str


def mark(x: float, y: float, seed: SeedScore, label: str) -> Mark:
    kind = "finished" if seed.status in FINISHED else "not finished"
    kind = kind if seed.mode_collapse_at is None else "mode collapse"
    return Mark(x=x, y=y, kind=kind, text=f"{label} seed {seed.seed}, {seed.status}")


def ceiling(values: Sequence[float]) -> float | None:
    """The upper end of an axis that one value would squash; None where none would."""
    if not values:
        return None
    middle = statistics.median(values)
    # Of a distance below 0, which is none, there is no multiple that would say anything.
    if middle <= 0 or max(values) <= SQUASHED * middle:
        return None
    return 1.15 * max(value for value in values if value <= SQUASHED * middle)


def add_marks(
    drawing: Drawing,
    method: str,
    marks: Sequence[Mark],
    top: float | None,
    *,
    cell: Cell = FIRST,
    legend: bool = True,
) -> int:
    """A trace per kind of mark; returns how many are beyond `top` and drawn at it."""
    kinds: dict[str, list[Mark]] = {}
    for point in marks:
        beyond = top is not None and point.y > top
        kinds.setdefault("beyond the axis" if beyond else point.kind, []).append(point)
    legend_kind = next((kind for kind in SYMBOLS if kind in kinds), None)
    for kind in SYMBOLS:
        if kind not in kinds:
            continue
        ink = colour(method)
        width = 3 if kind == "mode collapse" else 2 if kind == "not finished" else 0
        add_scatter(
            drawing,
            cell,
            x=[point.x for point in kinds[kind]],
            y=[point.y if top is None else min(point.y, top) for point in kinds[kind]],
            mode="markers",
            name=method,
            legendgroup=method,
            showlegend=legend and kind == legend_kind,
            marker={
                "symbol": SYMBOLS[kind],
                "size": 10,
                "opacity": 0.8,
                "color": ink,
                "line": {"width": width, "color": ink},
            },
            text=[f"{point.text}: {point.y:.4g}" for point in kinds[kind]],
            hovertemplate="%{text}<extra></extra>",
        )
    return len(kinds.get("beyond the axis", ()))


def left_out(cells: Sequence[MethodScore], beyond: int) -> str:
    without_score = sum(seed.best is None for cell in cells for seed in cell.seeds)
    sentence = (
        f" {without_score} of the trials have no score yet or ever." if without_score else ""
    )
    marks = "1 mark" if beyond == 1 else f"{beyond} marks"
    return sentence + (f" Drawn at the upper edge, beyond the axis: {marks}." if beyond else "")
