"""Curves of several trials over one another. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from api.drawing.figure import Figure, no_figure, styled_figure
from api.drawing.lines import Curve, lines
from api.drawing.look import DASHES, PALETTE, colour
from api.drawing.panels import EDGES, CurvePanel, Stroke, height_of, stacked
from api.reading.snapshot import Row
from api.trials.curve_figures import NOTHING, TITLES, cursor_meta, distance_and_quality
from api.trials.models import Trial
from sweep.paper.scores import OWN_SCORE

# Trials of one colour that can still be told apart by their dashes.
MOST_ALIKE = 3
PANELS = ("spectrum_left", "gap", "d_loss", "g_loss")
MOST_POINTS = 150
Scale = Literal["iteration", "share"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    colour: str
    dash: str


def styles(methods: Sequence[str]) -> list[Style]:
    """Styles, one per trial: the colours of the methods where they differ, else one colour each.

    Each trial has dashes of its own beside it, for who does not see the colours.
    """
    most = max(methods.count(method) for method in methods)
    by_method = len({*methods}) > 1 and most <= MOST_ALIKE
    colours = [colour(method) for method in methods] if by_method else PALETTE
    return [Style(colour=c, dash=d) for c, d, _ in zip(colours, DASHES, methods, strict=False)]


def scale_of(trials: Sequence[Trial]) -> Scale:
    """Iteration, or share of the plan where one plan is many times the other's length."""
    planned = [trial.iterations for trial in trials]
    return "share" if max(planned) > 4 * min(planned) else "iteration"


def curves(
    trials: Sequence[tuple[str, Trial, Sequence[Row]]],
    source: str,
    *,
    scale: Scale = "iteration",
    logarithmic: bool = False,
) -> Figure:
    """Scores, spectrum, gap and losses of the trials, one panel each, a colour per trial."""
    trial_styles = styles([trial.method for _, trial, _ in trials])
    if not any(rows for _, _, rows in trials):
        return no_figure(NOTHING, source)
    keys = _keys(trials)
    strokes: Mapping[str, list[Stroke]] = {key: [] for key in keys}
    for (label, trial, rows), style in zip(trials, trial_styles, strict=True):
        if not rows:
            continue
        for key, line in lines(rows, keys, MOST_POINTS).items():
            if line.values or line.odd:
                strokes[key].append(_stroke(label, trial, line, style, scale))
    declared = {trial.score for _, trial, _ in trials if trial.score is not None}
    titles = {**TITLES, OWN_SCORE: " or ".join(sorted(declared)) or OWN_SCORE}
    panels = [
        CurvePanel(title=titles.get(key, key), strokes=panel_strokes)
        for key, panel_strokes in strokes.items()
        if panel_strokes
    ]
    title = "iteration" if scale == "iteration" else "share of the planned iterations"
    drawing = stacked(panels, title, logarithmic=logarithmic)
    if scale == "iteration":
        steps = {row["iteration"]: row for _, _, rows in trials for row in rows}
        drawing.layout["meta"] = cursor_meta([steps[iteration] for iteration in sorted(steps)])
    drawn_trials = sum(bool(rows) for _, _, rows in trials)
    result = styled_figure(drawing, source, height_of(panels) + 40, trials=drawn_trials)
    # Above the title of the first panel.
    result.layout["legend"] |= {"y": 1 + 22 / (height_of(panels) - EDGES)}
    result.layout["margin"] |= {"t": 76}
    return result


def _keys(trials: Sequence[tuple[str, Trial, Sequence[Row]]]) -> list[str]:
    """Keys of the panels: distances, the qualities that decide about them, then shared ones."""
    pairs = [distance_and_quality(trial, rows) for _, trial, rows in trials if rows]
    distances = [distance for distance, _ in pairs]
    qualities = [quality for _, quality in pairs]
    return list(dict.fromkeys([*distances, *qualities, *PANELS]))


def _stroke(label: str, trial: Trial, line: Curve, style: Style, scale: Scale) -> Stroke:
    share = [iteration / trial.iterations for iteration in line.x] if scale == "share" else None
    return Stroke(
        line=line,
        name=label,
        colour=style.colour,
        dash=style.dash,
        legend=label,
        x=share,
        sound=trial.diverged_at is None,
    )
