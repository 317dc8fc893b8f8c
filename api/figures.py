"""What every figure shares. Pure; a figure with nothing to draw says why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from api.figure_models import FigureTrial, SpectrumAt
from api.models import Figure, Trial
from api.series_models import Spectrum
from api.web.nonfinite import without_nonfinite
from sweep.paper.scores import score_name
from trainer.config.settings import DATASETS

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
# Rows of a heat map: more than a screen shows of a spectrum, and a small answer.
HEAT_ROWS = 96
# Layers of D and its 1x1 shortcuts, by the size of the images.
LAYERS = {128: 17}
USUAL_LAYERS = 10
SHORTCUTS = (2, 5, 8, 11, 14)
# What a verdict is made of: its name in a figure, the column that says when it began, its line.
SIGNALS = (
    ("mode collapse", "mode_collapse_at", "solid"),
    ("spectral collapse", "spectral_collapse_at", "dash"),
    ("dead D", "dead_at", "dot"),
    ("diverged", "diverged_at", "dot"),
)


def colour(method: str) -> str:
    return COLOURS.get(method, OTHER_COLOUR)


def in_order(methods: Iterable[str]) -> list[str]:
    """SN, SR and their controls first, as they are compared; what is not known here last."""
    present = set(methods)
    return [m for m in COLOURS if m in present] + sorted(present - COLOURS.keys())


def score_of(trial: Trial) -> str:
    """The distance that decides about the trial: `fd_digits` or `fid`."""
    return score_name({"dataset": trial.dataset})


def layer_count(dataset: str) -> int:
    """Of the discriminator for the data set."""
    known = DATASETS.get(dataset)
    return LAYERS.get((known.resolution if known else None) or 0, USUAL_LAYERS)


def layer_names(n: int) -> dict[int, str]:
    """The layers of a discriminator that has so many, as a list of choices names them."""
    return {k: f"layer_{k}{' (1x1)' if k in _shortcuts(n) else ''}" for k in range(n)}


def layers(trial: Trial) -> dict[int, str]:
    """Those of the trial's discriminator."""
    return layer_names(layer_count(trial.dataset))


def shortcuts(trial: Trial) -> Sequence[int]:
    """The 1x1 layers of the trial's discriminator."""
    return _shortcuts(layer_count(trial.dataset))


def _shortcuts(n: int) -> Sequence[int]:
    # The CIFAR network goes down in size twice, so its last two blocks have no shortcut.
    return SHORTCUTS if n > USUAL_LAYERS else SHORTCUTS[:2]


def no_figure(why: str, source: str, command: str | None = None) -> Figure:
    """Says why there is nothing to draw, and which command would change that."""
    return Figure(data=[], layout={}, source=source, empty=why, command=command)


def finished(
    figure: go.Figure, source: str, height: int, *, trials: int = 1, says: str | None = None
) -> Figure:
    """The figure as an answer, in the look that all share.

    `trials` is how many it shows, `says` what it shows in words.
    """
    figure.update_layout(
        template="none",
        height=height,
        margin={"l": 64, "r": 16, "t": 36, "b": 48},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 13},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        hoverlabel={"namelength": -1},
    )
    look = {"standoff": 6, "font": {"size": 13}}
    figure.update_xaxes(zeroline=False, automargin=True, title=look)
    figure.update_yaxes(zeroline=False, automargin=True, title=look)
    plain = without_nonfinite(_plain(figure.to_plotly_json()))
    return Figure(
        data=plain["data"], layout=plain["layout"], source=source, trials=trials, says=says
    )


def _plain(value: Any) -> Any:
    """The same without NumPy, which Plotly makes of what it is given."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def span(rows: Sequence[Spectrum]) -> list[float]:
    """The axis by the data alone: labels of marks would widen it."""
    first, last = rows[0].iteration, rows[-1].iteration
    pad = max(1.0, 0.04 * (last - first))
    return [first - pad, last + pad]


def heat(rows: Sequence[Spectrum] | Sequence[SpectrumAt]) -> go.Heatmap:
    """Columns are iterations, the largest singular value at the bottom, brightness sigma_k/s_1."""
    grid = np.linspace(0, 1, min(HEAT_ROWS, max(len(row.singular_values) for row in rows)))
    columns = []
    for row in rows:
        values = np.array(row.singular_values, dtype=float)
        index = np.linspace(0, 1, len(values))
        columns.append(np.interp(grid, index, values / values[0]))
    return go.Heatmap(
        x=[row.iteration for row in rows], y=grid.round(4), z=np.array(columns).T.round(4),
        zmin=0, zmax=1, colorscale="Viridis",
        colorbar={"title": {"text": "σ / σ₁"}, "thickness": 12, "outlinewidth": 0},
        hovertemplate="iteration %{x}<br>index/r %{y:.2f}<br>σ/σ₁ %{z:.3f}<extra></extra>",
    )  # fmt: skip


def marks_of(trial: Trial | FigureTrial) -> list[tuple[str, int, str]]:
    """(name, iteration, dash) of every signal that was seen."""
    seen = [(name, getattr(trial, at), dash) for name, at, dash in SIGNALS]
    return [(name, at, dash) for name, at, dash in seen if at is not None]


def mark_collapses(figure: go.Figure, trial: Trial) -> None:
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
