"""The figures of one trial: its curves, and its collapse on one axis. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from api.drawing.figure import Figure, no_figure, styled_figure
from api.drawing.lines import Curve, iteration_axis, layer_lines, lines
from api.drawing.look import add_mark, by_depth, colour, marks_of
from api.drawing.panel_grid import Drawing, add_annotation, set_x_axes
from api.drawing.panels import EDGES, CurvePanel, Stroke, height_of, stacked
from api.reading.snapshot import Row
from api.trials.dataset_facts import score_of
from api.trials.models import Trial
from api.web.words import number
from sweep.paper.scores import OWN_SCORE, SCORE_TITLES
from sweep.store.nonfinite import without_nonfinite
from trainer.config.own_trial import PROFILE as OWN

NOTHING = "No evaluation has been written yet."
Rank = Literal["stable_rank", "effective_rank", "mean_ratio", "sigma2_ratio"]
RANKS: dict[Rank, str] = {
    "stable_rank": "stable rank",
    "effective_rank": "effective rank",
    "mean_ratio": "mean σ/σ₁",
    "sigma2_ratio": "σ₂/σ₁",
}
DISTANCES = ("fd_digits", "fid", "fd_pictures", "mode_distance", "equilibrium_distance", OWN_SCORE)
QUALITIES = ("inception_score", "modes")
TITLES = {
    **{name: f"{title} (lower is better)" for name, title in SCORE_TITLES.items()},
    "mode_distance": "distance from even modes",
    "equilibrium_distance": "distance from the equilibrium",
    "inception_score": "Inception Score (higher is better)",
    "modes": "modes found",
    "gap": "D(real) − D(fake)",
    "gaps": "D(training) − D(generated), and − D(held-out) dotted",
    "spectrum_left": "spectrum left: mean σ₂/σ₁, 3×3 layers",
    "spectrum_low": "share of σ/σ₁ below 0.5, mean of 3×3 layers",
    "d_loss": "L_D",
    "g_loss": "L_G",
}
LOSSES = "losses: L_D solid, L_G dotted"
SPECTRUM = "3×3 layers: mean σ₂/σ₁ solid, mean share of σ/σ₁ below 0.5 dotted"
SIGNAL_COLOUR = "#CC79A7"
# Names of signals stand above the title of the first panel, one above the other, in pixels.
NAME_ABOVE, NAME_HEIGHT = 22, 21


def recorded(rows: Sequence[Row], names: Sequence[str]) -> list[str]:
    """Columns that hold a value in some row."""
    return [name for name in names if any(row[name] is not None for row in rows)]


def distance_and_quality(trial: Trial, rows: Sequence[Row]) -> tuple[str, str]:
    """Names of the distance that judges the trial and of the quality that collapses with it."""
    score = score_of(trial)
    distance = [*recorded(rows, (score, *DISTANCES)), score][0]
    return distance, [*recorded(rows, QUALITIES), "modes"][0]


def curves(
    trial: Trial, rows: Sequence[Row], keys: Sequence[str], source: str, *, logarithmic: bool
) -> Figure:
    """Columns over iterations, by default scores, losses and gap; collapses marked."""
    if not rows:
        return no_figure(NOTHING, source)
    rows = with_own_values(rows)
    titled = [(key, [key]) for key in keys] or _usual_panels(trial, rows)
    names = [name for _, columns in titled for name in columns]
    curve_lines = lines(rows, names)
    panels = [
        CurvePanel(
            title=title_of(trial, title),
            strokes=[
                _stroke(trial, name, curve_lines[name], dash)
                for name, dash in zip(columns, ("solid", "dot"), strict=False)
            ],
        )
        for title, columns in titled
    ]
    drawing = stacked(panels, "iteration", logarithmic=logarithmic)
    return _with_signals(drawing, trial, rows, source, height_of(panels))


def _usual_panels(trial: Trial, rows: Sequence[Row]) -> list[tuple[str, list[str]]]:
    distance, quality = distance_and_quality(trial, rows)
    panels = [
        (distance, _with_average(rows, distance)),
        (quality, _with_average(rows, quality)),
        (LOSSES, ["d_loss", "g_loss"]),
        ("gaps", ["gap", *recorded(rows, ["held_out_gap"])]),
    ]
    if trial.profile != OWN:
        return panels
    others = [name for name in own_names(rows) if name != trial.score]
    return [panel for panel in panels if recorded(rows, panel[1])] + [(n, [n]) for n in others]


def own_names(rows: Sequence[Row]) -> list[str]:
    """Names that a loop of its own has given numbers, in their order."""
    return list(dict.fromkeys(name for row in rows for name in row.get("own_values") or ()))


def with_own_values(rows: Sequence[Row]) -> Sequence[Row]:
    """Rows in which those numbers are columns; null where a row has none of a name."""
    names = own_names(rows)
    if not names:
        return rows
    return [{**row, **dict.fromkeys(names), **(row["own_values"] or {})} for row in rows]


def title_of(trial: Trial, name: str) -> str:
    """The title of a panel: that of a declared score has its own name and direction."""
    if name != OWN_SCORE or trial.score is None:
        return TITLES.get(name, name)
    return f"{trial.score} ({trial.score_direction or 'lower'} is better)"


def _with_average(rows: Sequence[Row], score: str) -> list[str]:
    """The score, and that of G's moving average where some row has it."""
    return [score, *recorded(rows, [f"ema_{score}"] if f"ema_{score}" in rows[0] else [])]


def strip(
    trial: Trial, rows: Sequence[Row], rank: Rank, shortcuts: Sequence[int], source: str
) -> Figure:
    """Quality, spectrum and game of a trial on one axis, which shows what went first."""
    if not rows:
        return no_figure(NOTHING, source)
    distance, quality = distance_and_quality(trial, rows)
    spectrum = recorded(rows, ("spectrum_left", "spectrum_low"))
    curve_lines = lines(rows, [distance, quality, *spectrum, "gap", "d_loss", "g_loss"])
    layers = layer_lines(rows, rank)

    def stroke(name: str, dash: str = "solid") -> Stroke:
        return _stroke(trial, name, curve_lines[name], dash)

    panels = [
        CurvePanel(title=title_of(trial, distance), strokes=[stroke(distance)]),
        CurvePanel(title=TITLES[quality], strokes=[stroke(quality)]),
        CurvePanel(
            title=f"{RANKS[rank]} of each layer, share of its first",
            strokes=_layer_strokes(layers, shortcuts),
        ),
        CurvePanel(
            title=SPECTRUM,
            strokes=[stroke(n, "dot" if n == "spectrum_low" else "solid") for n in spectrum],
        ),
        CurvePanel(title=TITLES["gap"], strokes=[stroke("gap")]),
        CurvePanel(title=LOSSES, strokes=[stroke("d_loss"), stroke("g_loss", "dot")]),
    ]
    drawing = stacked(panels, "iteration")
    drawing.layout["legend"] = {"title": {"text": "layer"}}
    return _with_signals(drawing, trial, rows, source, height_of(panels))


def _stroke(trial: Trial, name: str, line: Curve, dash: str) -> Stroke:
    sound = trial.diverged_at is None
    return Stroke(line=line, name=name, colour=colour(trial.method), dash=dash, sound=sound)


def _layer_strokes(layers: Sequence[Curve], shortcuts: Sequence[int]) -> list[Stroke]:
    return [
        Stroke(
            line=line,
            name=f"layer_{k}{' (1x1)' if k in shortcuts else ''}",
            colour=shade,
            dash="dot" if k in shortcuts else "solid",
            width=1.6,
        )
        for k, (line, shade) in enumerate(zip(layers, by_depth(len(layers)), strict=True))
    ]


def _with_signals(
    drawing: Drawing, trial: Trial, rows: Sequence[Row], source: str, height: int
) -> Figure:
    """Finishes the figure: its signals marked, and a text for its cursor at every iteration."""
    set_x_axes(drawing, range=iteration_axis(rows[0]["iteration"], rows[-1]["iteration"]))
    drawing.layout["meta"] = cursor_meta(rows, lambda row: evaluation_text(trial, row))
    names = mark_signals(drawing, trial, height - EDGES)
    answer = styled_figure(drawing, source, height + names)
    answer.layout["margin"] |= {"t": answer.layout["margin"]["t"] + names}
    return answer


def cursor_meta(
    rows: Sequence[Row], describe: Callable[[Row], str] | None = None
) -> dict[str, Any]:
    """Data for the page's cursor over a figure whose x axis is the iteration."""
    steps = [row["iteration"] for row in rows]
    texts = [describe(row) for row in rows] if describe else []
    return {"cursor": True, "steps": steps, "says": texts}


def evaluation_text(trial: Trial, row: Row) -> str:
    """An evaluation in a few words."""
    distance, quality = distance_and_quality(trial, [row])
    row = without_nonfinite(dict(row))
    title = trial.score if distance == OWN_SCORE else SCORE_TITLES.get(distance, distance)
    parts = [f"{title} {number(row[distance])}"]
    if row[quality] is not None:
        label = "modes" if quality == "modes" else "IS"
        parts.append(f"{number(row[quality])} {label}")
    parts.append(f"gap {number(row['gap'], 2)}")
    return ", ".join(parts)


def mark_signals(drawing: Drawing, trial: Trial, panels_height: int) -> int:
    """Draws a line through every panel where a signal began, its name above them all.

    Returns the height of the names; both heights are in pixels.
    """
    signals = marks_of(trial)
    for place, (name, onset, dash) in enumerate(sorted(signals, key=lambda signal: -signal[1])):
        above = NAME_ABOVE + NAME_HEIGHT * place
        top = 1 + above / panels_height
        add_mark(drawing, onset, top, dash=dash, width=1.8, color=SIGNAL_COLOUR)
        right = onset >= 0.5 * (trial.iteration or trial.iterations)
        add_annotation(
            drawing,
            x=onset,
            y=1,
            yref="paper",
            xref="x",
            yshift=above - 2,
            yanchor="bottom",
            xanchor="right" if right else "left",
            text=f"{name}, {onset}",
            name="mark",
            bgcolor=SIGNAL_COLOUR,
            font={"color": "black", "size": 12},
            borderpad=2,
        )
    return NAME_HEIGHT * len(signals)
