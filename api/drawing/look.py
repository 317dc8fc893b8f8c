"""The look of every figure: colours of methods, dashes of signals, layers by depth."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from api.web.words import Signals


class Run(Signals, Protocol):
    """How far a trial has come beside its signals."""

    @property
    def iteration(self) -> int | None: ...
    @property
    def iterations(self) -> int: ...


# SN, SR and their controls in Okabe and Ito's colours: blue does not lift, orange lifts, the
# lighter of each is the control. Green is dynamic, brown Eq. (10). The order is that of columns.
COLOURS = {
    "sn": "#0072B2",
    "sn-renorm": "#56B4E9",
    "sr-static": "#D55E00",
    "sr-lift": "#E69F00",
    "sr-static-reparam": "#8C510A",
    "sr-dynamic": "#009E73",
    "sr-dynamic-renorm": "#66C2A5",
    "sr-dynamic-reparam": "#35978F",
    "none": "#888888",
    "wn": "#4D7EA8",
    "simgd": "#B59A00",
    "jare": "#7B6FD0",
    "conopt": "#B08CD9",
    "r1": "#D6457A",
    "wgan-gp": "#E07B91",
    "orthonormal": "#7FA60A",
    "nugan": "#C2A14A",
}
OTHER_COLOUR = "#A0A0A0"
# What a verdict is made of: its name in a figure, the column that says when it began, its line.
SIGNALS = (
    ("mode collapse", "mode_collapse_at", "solid"),
    ("spectral collapse", "spectral_collapse_at", "dash"),
    ("dead D", "dead_at", "dot"),
    ("diverged", "diverged_at", "dot"),
)
# The middle of Viridis: its ends vanish on a dark or on a light ground.
SHOWN_SHARE = (0.22, 0.86)
# Viridis without its ends: the dark one is lost on a dark page, the yellow one on a light page.
SHARES = [0.25 + 0.65 * k / 8 for k in range(9)]
SCALE = sample_colorscale("Viridis", SHARES)


def colour(method: str) -> str:
    return COLOURS.get(method, OTHER_COLOUR)


def in_order(methods: Iterable[str]) -> list[str]:
    """SN, SR and their controls first, as they are compared; what is not known here last."""
    present = set(methods)
    return [m for m in COLOURS if m in present] + sorted(present - COLOURS.keys())


def marks_of(trial: Signals) -> list[tuple[str, int, str]]:
    """(name, iteration, dash) of every signal that was seen."""
    seen = [(name, getattr(trial, at), dash) for name, at, dash in SIGNALS]
    return [(name, at, dash) for name, at, dash in seen if at is not None]


def mark_collapses(figure: go.Figure, trial: Run) -> None:
    """A line over a spectrum where each signal began: solid for mode collapse, dashed for
    spectral, dotted for the rest."""
    heights = {name: 1 - 0.07 * place for place, (name, _, _) in enumerate(SIGNALS)}
    for name, at, dash in marks_of(trial):
        right = at >= 0.5 * (trial.iteration or trial.iterations)
        figure.add_shape(
            type="line", x0=at, x1=at, y0=0, y1=1, yref="paper", xref="x", name="mark",
            line={"dash": dash, "width": 2, "color": "white"},
        )  # fmt: skip
        figure.add_annotation(
            x=at, y=heights[name], yref="paper", xref="x", text=f"{name}, {at}", showarrow=False,
            xanchor="right" if right else "left", xshift=-5 if right else 5, yanchor="top",
            name="mark", bgcolor="rgba(0,0,0,0.6)", font={"color": "white", "size": 12},
            borderpad=2,
        )  # fmt: skip


def by_depth(n: int) -> list[str]:
    """Colours of `n` things in order, dark first."""
    low, high = SHOWN_SHARE
    places = [low + (high - low) * k / max(1, n - 1) for k in range(n)]
    return [str(shade) for shade in sample_colorscale("Viridis", places)] if n else []


def shade(share: float) -> str:
    """The colour of a place between first and last, 0 to 1."""
    return str(sample_colorscale("Viridis", [SHARES[0] + share * (SHARES[-1] - SHARES[0])])[0])
