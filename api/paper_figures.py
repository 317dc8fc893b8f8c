"""The figures of the paper page: Figs. 5 and 8 as far as the store fills them, and every seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from api.figures import (
    COLOURS,
    SCORE_NAMES,
    colour,
    finished,
    heat,
    mark_collapses,
    no_figure,
    quality,
    score_of,
    span,
)
from api.models import Figure, Trial
from api.series_models import Evaluation, Spectrum
from api.table2_models import MethodScore, SeedScore, SettingScores
from sweep.results import FINISHED


def figure_5(
    trial: Trial, rows: Sequence[Evaluation], spectra: Sequence[Spectrum], layer: int, source: str
) -> Figure:
    """A layer's spectrum above the scores of the same run, as Fig. 5 pairs them."""
    if not rows or not spectra:
        return no_figure(f"{trial.trial_id} has no curve and spectrum yet.", source)
    score = score_of(trial)
    second, title = quality(trial)
    figure = make_subplots(
        rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.06, row_heights=[0.5, 0.25, 0.25]
    )
    spectrum = heat(spectra)
    spectrum.update(colorbar={"y": 0.76, "len": 0.5})
    figure.add_trace(spectrum, row=1, col=1)
    for panel, field in ((2, score), (3, second)):
        figure.add_scatter(
            x=[row.iteration for row in rows], y=[getattr(row, field) for row in rows],
            mode="lines+markers", line={"color": colour(trial.method), "width": 2},
            marker={"size": 5}, name=SCORE_NAMES.get(field, field), showlegend=False,
            connectgaps=False, row=panel, col=1,
        )  # fmt: skip
    figure.update_yaxes(title_text=f"layer_{layer}: index / r", row=1, col=1)
    figure.update_yaxes(title_text=f"{SCORE_NAMES[score]}<br>(lower is better)", row=2, col=1)
    figure.update_yaxes(
        title_text=title.replace(" (", "<br>(").replace(" of", "<br>of"), row=3, col=1
    )
    figure.update_xaxes(range=span(rows))
    figure.update_xaxes(title_text="iteration", row=3, col=1)
    mark_collapses(figure, trial, over_heat=True)
    return finished(figure, source, 640)


def figure_8(trials: Sequence[Trial], source: str) -> Figure:
    """Best score against i of one setting: every seed a dot, SN and its control as bands."""
    scored = [t for t in trials if t.best is not None and _best(t) is not None]
    lifted = [t for t in scored if t.i_ratio is not None]
    if not lifted:
        return no_figure("No trial of this setting lifts singular values yet.", source)
    score = score_of(lifted[0])
    figure = go.Figure()
    for method in sorted({t.method for t in scored if t.i_ratio is None}):
        _band(figure, method, [_best(t) for t in scored if t.method == method])
    for method in sorted({t.method for t in lifted}):
        of_method = [t for t in lifted if t.method == method]
        _dots(figure, method, [t.i_ratio for t in of_method], of_method)
    figure.update_xaxes(title_text="i / r, share of singular values lifted", range=[0, 1.04])
    name = SCORE_NAMES[score]
    figure.update_yaxes(title_text=f"best {name} (lower is better)", rangemode="tozero")
    return finished(figure, source, 440, trials=len(scored))


def _best(trial: Trial) -> float | None:
    return getattr(trial.best, score_of(trial)) if trial.best else None


def _band(figure: go.Figure, method: str, values: Sequence[Any]) -> None:
    """From the lowest to the highest seed, a line at the mean."""
    if len(values) > 1:
        figure.add_hrect(
            y0=min(values), y1=max(values), fillcolor=colour(method), opacity=0.18, line_width=0
        )
    mean = sum(values) / len(values)
    figure.add_scatter(
        x=[0, 1.04], y=[mean, mean], mode="lines", line={"color": colour(method), "width": 2},
        name=f"{method}: mean and range of {len(values)} seed{'s' if len(values) > 1 else ''}",
        hovertemplate=f"{method} mean %{{y:.1f}}<extra></extra>",
    )  # fmt: skip


def _dots(figure: go.Figure, method: str, x: Sequence[Any], trials: Sequence[Trial]) -> None:
    figure.add_scatter(
        x=x, y=[_best(t) for t in trials], mode="markers", name=method,
        marker=_marker(method, trials),
        text=[f"{t.trial_id}, {t.status}" for t in trials],
        hovertemplate="%{text}<br>%{y:.1f}<extra></extra>",
    )  # fmt: skip


def seeds(rows: Sequence[SettingScores], profile: str, source: str) -> Figure:
    """Every seed's best score by setting and method; a cross where mode collapse was seen."""
    measured = {r.setting: r.measured[profile] for r in rows if profile in r.measured}
    methods = [m for m in COLOURS if any(m in by for by in measured.values())]
    methods += sorted({m for by in measured.values() for m in by} - set(methods))
    if not methods:
        return no_figure(f"Nothing has been measured in the {profile} profile yet.", source)
    settings = list(measured)
    figure = go.Figure()
    for place, method in enumerate(methods):
        shift = (place - (len(methods) - 1) / 2) * min(0.17, 0.8 / len(methods))
        _seed_dots(figure, method, measured, shift)
    score = next(iter(next(iter(measured.values())).values())).score
    figure.update_xaxes(
        tickvals=list(range(len(settings))),
        ticktext=settings,
        range=[-0.6, len(settings) - 0.4],
        tickangle=-60 if len(settings) > 8 else 0,
    )
    name = SCORE_NAMES[score]
    figure.update_yaxes(title_text=f"best {name} (lower is better)", rangemode="tozero")
    shown = sum(len(m.seeds) for by in measured.values() for m in by.values())
    return finished(figure, source, 420, trials=shown)


def _seed_dots(
    figure: go.Figure, method: str, measured: Mapping[str, Mapping[str, MethodScore]], shift: float
) -> None:
    seeds = [
        (place + shift, setting, seed)
        for place, (setting, methods) in enumerate(measured.items())
        if method in methods
        for seed in methods[method].seeds
    ]
    figure.add_scatter(
        x=[x for x, _, _ in seeds], y=[seed.best for _, _, seed in seeds],
        mode="markers", name=method,
        marker=_marker(method, [seed for _, _, seed in seeds]),
        text=[f"{setting} {method} seed {seed.seed}, {seed.status}" for _, setting, seed in seeds],
        hovertemplate="%{text}<br>%{y:.1f}<extra></extra>",
    )  # fmt: skip


def _marker(method: str, trials: Sequence[Trial | SeedScore]) -> dict[str, Any]:
    """A cross for mode collapse, a dot for none, a hollow one while it may still come."""
    symbols = [
        "x-thin" if t.mode_collapse_at is not None
        else "circle" if t.status in FINISHED
        else "circle-open"
        for t in trials
    ]  # fmt: skip
    widths = [0 if symbol == "circle" else 3 for symbol in symbols]
    line = {"width": widths, "color": colour(method)}
    return {"color": colour(method), "size": 10, "opacity": 0.85, "symbol": symbols, "line": line}
