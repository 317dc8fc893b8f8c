"""Colours and dashes of every figure: methods, signals, layers by depth."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from api.drawing.panel_grid import Drawing, add_annotation, add_shape
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
    "sn-ttur": "#1B4F9C",
    "sr-static": "#D55E00",
    "sr-lift": "#E69F00",
    "sr-static-reparam": "#8C510A",
    "sr-dynamic": "#009E73",
    "sr-dynamic-renorm": "#66C2A5",
    "sr-dynamic-reparam": "#35978F",
    "sr-floor": "#C9A86A",
    "sr-iso": "#B8860B",
    "none": "#888888",
    "wn": "#4D7EA8",
    "pacgan": "#2F7F6B",
    "simgd": "#B59A00",
    "jare": "#7B6FD0",
    "conopt": "#B08CD9",
    "r1": "#D6457A",
    "rpgan": "#A65E2E",
    "rpgan-r1r2": "#8E2F5C",
    "unrolled": "#6D4C9F",
    "wgan-gp": "#E07B91",
    "orthonormal": "#7FA60A",
    "srip": "#5E7A1C",
    "lecam": "#5B8C9A",
    "bcr": "#9AA53B",
    "diffaug": "#3F8F8F",
    "nugan": "#C2A14A",
}
OTHER_COLOUR = "#A0A0A0"
# For what has no colour of its own: Okabe and Ito's, without the ones that vanish on a light or on
# a dark ground.
PALETTE = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C510A", "#888888",
)  # fmt: skip
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "10px,3px", "2px,5px")
# Sets of images, on every page the same. Okabe and Ito's, the orange darkened: each has a contrast
# of at least 3 to a light and to a dark page.
IMAGE_COLOURS = {"training": "#009E73", "test": "#CC79A7", "generated": "#C27F00"}
IMAGE_DASHES = {"training": "solid", "test": "dash", "generated": "solid"}
# Of each signal its name in a figure, the column with its onset, and the dash of its line.
SIGNAL_NAMES = ("mode collapse", "spectral collapse", "dead D", "diverged")
SIGNAL_DASHES = ("solid", "dash", "dot", "dashdot")
SIGNALS = tuple(zip(SIGNAL_NAMES, SIGNAL_COLUMNS, SIGNAL_DASHES, strict=True))
VIRIDIS = (
    "#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58",
    "#b5de2b", "#fde725",
)  # fmt: skip
# As a colour scale of plotly.js, whose own Viridis has other steps.
VIRIDIS_SCALE = [[k / (len(VIRIDIS) - 1), step] for k, step in enumerate(VIRIDIS)]
# Viridis without its ends: the dark one is lost on a dark page, the yellow one on a light page.
DARKEST, BRIGHTEST = 0.25, 0.9


def colour(method: str) -> str:
    return COLOURS.get(method, OTHER_COLOUR)


def translucent(hex_colour: str, opacity: float) -> str:
    """The colour with an opacity of 0 to 1, as a fill below a line of the colour itself."""
    red, green, blue = _red_green_blue(hex_colour)
    return f"rgba({red},{green},{blue},{opacity:g})"


def _red_green_blue(hex_colour: str) -> list[int]:
    return [int(hex_colour[k : k + 2], 16) for k in (1, 3, 5)]


def in_order(methods: Iterable[str]) -> list[str]:
    """Orders methods: SN, SR and their controls first, as in comparisons; unknown ones last."""
    present = set(methods)
    return [m for m in COLOURS if m in present] + sorted(present - COLOURS.keys())


def marks_of(trial: Signals) -> list[tuple[str, int, str]]:
    """(name, iteration, dash) of every signal that was seen."""
    onsets = [(name, getattr(trial, column), dash) for name, column, dash in SIGNALS]
    return [(name, onset, dash) for name, onset, dash in onsets if onset is not None]


def add_mark(drawing: Drawing, onset: int, top: float, **line: Any) -> None:
    """Draws a line at an iteration, up to `top` of the paper's height, in the look of `line`."""
    add_shape(
        drawing,
        type="line",
        x0=onset,
        x1=onset,
        y0=0,
        y1=top,
        yref="paper",
        xref="x",
        name="mark",
        line=line,
    )


def mark_collapses(drawing: Drawing, trial: Run) -> None:
    """Draws a line over a spectrum at the onset of each signal: solid for mode collapse, dashed
    for spectral, dotted for a dead D, both for divergence."""
    heights = {name: 1 - 0.07 * place for place, (name, _, _) in enumerate(SIGNALS)}
    for name, onset, dash in marks_of(trial):
        right = onset >= 0.5 * (trial.iteration or trial.iterations)
        add_mark(drawing, onset, 1, dash=dash, width=2, color="white")
        add_annotation(
            drawing,
            x=onset,
            y=heights[name],
            yref="paper",
            xref="x",
            text=f"{name}, {onset}",
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
    position = (DARKEST + share * (BRIGHTEST - DARKEST)) * (len(VIRIDIS) - 1)
    step = min(int(position), len(VIRIDIS) - 2)
    ends = zip(_red_green_blue(VIRIDIS[step]), _red_green_blue(VIRIDIS[step + 1]), strict=True)
    red, green, blue = (round(low + (position - step) * (high - low)) for low, high in ends)
    return f"rgb({red}, {green}, {blue})"


SCALE = by_depth(9)
