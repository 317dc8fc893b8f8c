"""Best scores by setting and method, every seed a mark: Fig. 12, and all of them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from api.drawing import thinning
from api.drawing.figure import Figure, finished, subplots
from api.drawing.look import in_order
from api.marks import add_marks, ceiling, left_out, mark
from api.table2_models import MethodScore, SeedScore, SettingScores
from api.trends import StaticDynamic
from sweep.paper.scores import SCORE_TITLES

# Marks in one picture; of more, as many as fit are shown of each method and setting.
MOST_MARKS = 1200


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
    figure, beyond = subplots(), 0
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
        tickangle=-60 if len(names) > 8 else 0, showgrid=False,
    )  # fmt: skip
    figure.update_yaxes(
        title_text=f"best {SCORE_TITLES[cells[0].score]} (lower is better)", rangemode="tozero"
    )
    for a, b in itertools.pairwise(range(len(names))):
        figure.add_vline(x=(a + b) / 2, line={"width": 1, "color": "rgba(128,128,128,0.25)"})
    shown = sum(len(cell.seeds) for cell in cells)
    if shown > len(cells) * share:
        says += f" Of each method and setting at most {share} seeds are drawn, evenly over them."
    fell = sum(s.mode_collapse_at is not None for cell in cells for s in cell.seeds)
    says += f" Mode collapse was seen in {fell} of {shown} runs.{left_out(cells, beyond)}"
    return finished(figure, source, 440, trials=shown, says=says.strip())


def _spread(seeds: Sequence[SeedScore], most: int) -> list[tuple[SeedScore, float]]:
    """At most so many, from the lowest score to the highest, both among them."""
    scored = sorted(((s, s.best) for s in seeds if s.best is not None), key=lambda pair: pair[1])
    return [scored[k] for k in thinning.indices(len(scored), max(2, most))]
