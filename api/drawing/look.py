"""Colours and dashes of every figure: methods, signals, layers by depth."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from api.web.words import Signals
from sweep.store.vocabulary import SIGNALS as SIGNAL_COLUMNS


class Run(Signals, Protocol):
    """A trial's iterations beside its signals."""

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
# Sets of images, on every page the same. Okabe and Ito's, the orange darkened: each has a contrast
# of at least 3 to a light and to a dark page.
IMAGE_COLOURS = {"training": "#009E73", "test": "#CC79A7", "generated": "#C27F00"}
IMAGE_DASHES = {"training": "solid", "test": "dash", "generated": "solid"}
# Of each signal its name in a figure, the column with its onset, and the dash of its line.
SIGNAL_NAMES = ("mode collapse", "spectral collapse", "dead D", "diverged")
SIGNAL_DASHES = ("solid", "dash", "dot", "dashdot")
SIGNALS = tuple(zip(SIGNAL_NAMES, SIGNAL_COLUMNS, SIGNAL_DASHES, strict=True))
# Viridis without its ends: the dark one is lost on a dark page, the yellow one on a light page.
SHARES = [0.25 + 0.65 * k / 8 for k in range(9)]
SCALE = sample_colorscale("Viridis", SHARES)


def colour(method: str) -> str:
    return COLOURS.get(method, OTHER_COLOUR)


def translucent(hex_colour: str, opacity: float) -> str:
    """The colour with an opacity of 0 to 1, as a fill below a line of the colour itself."""
    red, green, blue = (int(hex_colour[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"


def in_order(methods: Iterable[str]) -> list[str]:
    """Orders methods: SN, SR and their controls first, as in comparisons; unknown ones last."""
    present = set(methods)
    return [m for m in COLOURS if m in present] + sorted(present - COLOURS.keys())


def marks_of(trial: Signals) -> list[tuple[str, int, str]]:
    """(name, iteration, dash) of every signal that was seen."""
    onsets = [(name, getattr(trial, column), dash) for name, column, dash in SIGNALS]
    return [(name, onset, dash) for name, onset, dash in onsets if onset is not None]


def mark_collapses(figure: go.Figure, trial: Run) -> None:
    """Draws a line over a spectrum at the onset of each signal: solid for mode collapse, dashed
    for spectral, dotted for a dead D, both for divergence."""
    heights = {name: 1 - 0.07 * place for place, (name, _, _) in enumerate(SIGNALS)}
    for name, onset, dash in marks_of(trial):
        right = onset >= 0.5 * (trial.iteration or trial.iterations)
        figure.add_shape(
            type="line",
            x0=onset,
            x1=onset,
            y0=0,
            y1=1,
            yref="paper",
            xref="x",
            name="mark",
            line={"dash": dash, "width": 2, "color": "white"},
        )
        figure.add_annotation(
            x=onset,
            y=heights[name],
            yref="paper",
            xref="x",
            text=f"{name}, {onset}",
            showarrow=False,
            xanchor="right" if right else "left",
            xshift=-5 if right else 5,
            yanchor="top",
            name="mark",
            bgcolor="rgba(0,0,0,0.6)",
            font={"color": "white", "size": 12},
            borderpad=2,
        )


def by_depth(n: int) -> list[str]:
    """Colours of `n` things in order, dark first."""
    return [shade(k / max(1, n - 1)) for k in range(n)]


def shade(share: float) -> str:
    """The colour of a place between first and last, 0 to 1."""
    return str(sample_colorscale("Viridis", [SHARES[0] + share * (SHARES[-1] - SHARES[0])])[0])
