"""The figures of one trial: its curves, and its collapse on one axis. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import plotly.graph_objects as go

from api.drawing.figure import Figure, finished, no_figure
from api.drawing.lines import Line, layer_lines, lines
from api.drawing.look import by_depth, colour
from api.drawing.panels import EDGES, Panel, Stroke, height_of, stacked
from api.reading.snapshot import Row
from api.trials.dataset_facts import score_of
from api.trials.models import Trial
from api.web.nonfinite import without_nonfinite
from api.web.words import number
from sweep.paper.scores import SCORE_TITLES

NOTHING = "No evaluation has been written yet."
Rank = Literal["stable_rank", "effective_rank", "mean_ratio", "sigma2_ratio"]
RANKS: dict[Rank, str] = {
    "stable_rank": "stable rank",
    "effective_rank": "effective rank",
    "mean_ratio": "mean σ/σ₁",
    "sigma2_ratio": "σ₂/σ₁",
}
DISTANCES = ("fd_digits", "fid", "mode_distance", "equilibrium_distance")
QUALITIES = ("inception_score", "modes")
TITLES = {
    **{name: f"{title} (lower is better)" for name, title in SCORE_TITLES.items()},
    "mode_distance": "distance from even modes",
    "equilibrium_distance": "distance from the equilibrium",
    "inception_score": "Inception Score (higher is better)",
    "modes": "modes found",
    "gap": "D(real) − D(fake)",
    "spectrum_left": "spectrum left: mean σ₂/σ₁, 3×3 layers",
    "d_loss": "L_D",
    "g_loss": "L_G",
}
LOSSES = "losses: L_D solid, L_G dotted"
SIGNALS = (
    ("mode collapse", "mode_collapse_at", "solid"),
    ("spectral collapse", "spectral_collapse_at", "dash"),
    ("dead D", "dead_at", "dot"),
    ("diverged", "diverged_at", "dashdot"),
)
SIGNAL_COLOUR = "#CC79A7"
# Names of signals stand above the title of the first panel, one above the other, in pixels.
NAME_ABOVE, NAME_HEIGHT = 22, 21


def recorded(rows: Sequence[Row], names: Sequence[str]) -> list[str]:
    """Those of the columns that hold a value."""
    return [name for name in names if any(row[name] is not None for row in rows)]


def course(trial: Trial, rows: Sequence[Row]) -> tuple[str, str]:
    """What decides about the trial and what collapses with it: a distance and a quality."""
    decides = score_of(trial)
    distance = [*recorded(rows, (decides, *DISTANCES)), decides][0]
    return distance, [*recorded(rows, QUALITIES), "modes"][0]


def curves(
    trial: Trial, rows: Sequence[Row], keys: Sequence[str], source: str, *, logarithmic: bool
) -> Figure:
    """These columns over iterations, by default scores, losses and gap; collapses marked."""
    if not rows:
        return no_figure(NOTHING, source)
    chosen = [(key, [key]) for key in keys] or _usual(trial, rows)
    names = [name for _, of_panel in chosen for name in of_panel]
    drawn = lines(rows, names)
    panels = [
        Panel(
            title=TITLES.get(title, title),
            strokes=[
                _stroke(trial, name, drawn[name], dash)
                for name, dash in zip(of_panel, ("solid", "dot"), strict=False)
            ],
        )
        for title, of_panel in chosen
    ]
    figure = stacked(panels, "iteration", logarithmic=logarithmic)
    return _told(figure, trial, rows, source, height_of(panels))


def _usual(trial: Trial, rows: Sequence[Row]) -> list[tuple[str, list[str]]]:
    distance, quality = course(trial, rows)
    return [
        (distance, [distance]), (quality, [quality]), (LOSSES, ["d_loss", "g_loss"]),
        ("gap", ["gap"]),
    ]  # fmt: skip


def strip(
    trial: Trial, rows: Sequence[Row], rank: Rank, shortcuts: Sequence[int], source: str
) -> Figure:
    """Quality, spectrum and game of a trial on one axis: what went first is seen."""
    if not rows:
        return no_figure(NOTHING, source)
    distance, quality = course(trial, rows)
    drawn = lines(rows, [distance, quality, "gap", "d_loss", "g_loss"])
    layers = layer_lines(rows, rank)

    def one(name: str, dash: str = "solid") -> Stroke:
        return _stroke(trial, name, drawn[name], dash)

    panels = [
        Panel(title=TITLES[distance], strokes=[one(distance)]),
        Panel(title=TITLES[quality], strokes=[one(quality)]),
        Panel(
            title=f"{RANKS[rank]} of each layer, share of its first",
            strokes=_layer_strokes(layers, shortcuts),
        ),
        Panel(title=TITLES["gap"], strokes=[one("gap")]),
        Panel(title=LOSSES, strokes=[one("d_loss"), one("g_loss", "dot")]),
    ]
    figure = stacked(panels, "iteration")
    figure.update_layout(legend={"title": {"text": "layer"}})
    return _told(figure, trial, rows, source, height_of(panels))


def _stroke(trial: Trial, name: str, line: Line, dash: str) -> Stroke:
    sound = trial.diverged_at is None
    return Stroke(line=line, name=name, colour=colour(trial.method), dash=dash, sound=sound)


def _layer_strokes(layers: Sequence[Line], shortcuts: Sequence[int]) -> list[Stroke]:
    return [
        Stroke(
            line=line, name=f"layer_{k}{' (1x1)' if k in shortcuts else ''}", colour=shade,
            dash="dot" if k in shortcuts else "solid", width=1.6,
        )
        for k, (line, shade) in enumerate(zip(layers, by_depth(len(layers)), strict=True))
    ]  # fmt: skip


def _told(
    figure: go.Figure, trial: Trial, rows: Sequence[Row], source: str, height: int
) -> Figure:
    """With its signals marked, and with what a cursor over it says of every iteration."""
    first, last = rows[0]["iteration"], rows[-1]["iteration"]
    pad = max(1.0, 0.03 * (last - first))
    figure.update_xaxes(range=[first - pad, last + pad])
    figure.update_layout(meta=cursor(rows, says=lambda row: reading(trial, row)))
    names = mark_signals(figure, trial, height - EDGES)
    answer = finished(figure, source, height + names)
    answer.layout["margin"] |= {"t": answer.layout["margin"]["t"] + names}
    return answer


def cursor(rows: Sequence[Row], says: Any = None) -> dict[str, Any]:
    """What the page's cursor needs of a figure whose x axis is the iteration."""
    steps = [row["iteration"] for row in rows]
    return {"cursor": True, "steps": steps, "says": [says(row) for row in rows] if says else []}


def reading(trial: Trial, row: Row) -> str:
    """An evaluation in a few words."""
    distance, quality = course(trial, [row])
    row = without_nonfinite(dict(row))
    parts = [f"{SCORE_TITLES.get(distance, distance)} {number(row[distance])}"]
    if row[quality] is not None:
        named = "modes" if quality == "modes" else "IS"
        parts.append(f"{number(row[quality])} {named}")
    parts.append(f"gap {number(row['gap'], 2)}")
    return ", ".join(parts)


def mark_signals(figure: go.Figure, trial: Trial, inside: int) -> int:
    """A line through every panel where a signal began, its name above them all.

    `inside` is the height of the panels; returns that of the names, both in pixels.
    """
    seen = [(name, getattr(trial, field), dash) for name, field, dash in SIGNALS]
    seen = [(name, at, dash) for name, at, dash in seen if at is not None]
    for place, (name, at, dash) in enumerate(sorted(seen, key=lambda one: -one[1])):
        above = NAME_ABOVE + NAME_HEIGHT * place
        figure.add_shape(
            type="line", x0=at, x1=at, y0=0, y1=1 + above / inside, yref="paper", xref="x",
            name="mark", line={"dash": dash, "width": 1.8, "color": SIGNAL_COLOUR},
        )  # fmt: skip
        right = at >= 0.5 * (trial.iteration or trial.iterations)
        figure.add_annotation(
            x=at, y=1, yref="paper", xref="x", yshift=above - 2, yanchor="bottom",
            xanchor="right" if right else "left", text=f"{name}, {at}", showarrow=False,
            name="mark", bgcolor=SIGNAL_COLOUR, font={"color": "black", "size": 12}, borderpad=2,
        )  # fmt: skip
    return NAME_HEIGHT * len(seen)
