"""A trial's mark in a figure of scores: by what became of it, and never out of sight."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from api.drawing.look import colour
from api.table2_models import MethodScore, SeedScore
from sweep.store.vocabulary import FINISHED

# Beyond this ratio to the middle value, a mark is drawn at the upper edge.
SQUASHED = 6.0
SYMBOLS = {
    "finished": "circle", "mode collapse": "x-thin", "not finished": "circle-open",
    "beyond the axis": "triangle-up",
}  # fmt: skip


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


def left_out(cells: Sequence[MethodScore], beyond: int) -> str:
    lost = sum(seed.best is None for cell in cells for seed in cell.seeds)
    said = f" {lost} of the trials have no score yet or ever." if lost else ""
    marks = "1 mark" if beyond == 1 else f"{beyond} marks"
    return said + (f" Drawn at the upper edge, beyond the axis: {marks}." if beyond else "")
