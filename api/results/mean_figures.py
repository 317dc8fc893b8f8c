"""The figure of means over runs: a panel per setting, a line and its band per method. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from typing import Any, Literal

from api.drawing.figure import Figure, below_legend, no_figure, styled_figure
from api.drawing.lines import Curve
from api.drawing.look import DASHES, PALETTE, SIGNAL_NAMES, colour, in_order
from api.drawing.panel_grid import Drawing, add_scatter, set_x_axes
from api.drawing.panels import BAND, CurvePanel, Stroke, stacked
from api.results.mean_curves import MeanCurve, MeanCurves, MeanPoint, Onset
from api.results.run_curves import SCALE_TITLES
from api.web.words import number

Band = Literal["sd", "ci95"]
BAND_NAMES: dict[Band, str] = {"sd": "± sd", "ci95": "95 % interval (t)"}
# Columns that a panel is of; the others tell its lines apart.
PANEL_COLUMNS = ("profile", "dataset", "group", "setting")
MOST_PANELS = 12
PANEL_HEIGHT, LONE_PANEL_HEIGHT, EDGES = 240, 380, 84
FULL_WIDTH, THIN_WIDTH = 2.6, 1.0
SYMBOLS: Mapping[str, str] = dict(
    zip(SIGNAL_NAMES, ("x", "diamond-open", "square-open", "cross"), strict=True)
)
MARKS: Mapping[str, str] = dict(
    zip(
        SIGNAL_NAMES,
        ("✕ mode collapse", "◇ spectral collapse", "□ a dead D", "+ divergence"),
        strict=True,
    )
)
SHORT_NAMES = {"i_ratio": "i", "data_share": "share of the images", "batch_size": "batch"}
# Runs that a text names one by one.
MOST_NAMED = 8
# Lines of a panel beyond which bands are fainter, and beyond which there are none: together
# they would hide the lines.
FEW_BANDS, MOST_BANDS = 4, 10
FAINT = 0.1
# A band that reaches below zero on a logarithmic axis ends at this share of the lowest mean.
LOG_FLOOR = 0.1


def mean_figure(
    curves: MeanCurves, source: str, *, band: Band = "sd", log: bool = False, log_x: bool = False
) -> Figure:
    """Means over runs with their bands; thinner where fewer runs are left than there were."""
    items = [_right_of_zero(curve) for curve in curves.items] if log_x else curves.items
    filled = [curve for curve in items if curve.points]
    if not filled:
        return no_figure(_why_nothing(curves), source)
    parts = _panels(filled)
    shown_panels = dict(list(parts.items())[:MOST_PANELS])
    drawing = _drawing(curves, shown_panels, band, log)
    set_x_axes(drawing, type="log" if log_x else "linear")
    height = EDGES + (
        LONE_PANEL_HEIGHT if len(shown_panels) == 1 else PANEL_HEIGHT * len(shown_panels)
    )
    sentence = _sentence(curves, filled, band, parts, log_x)
    runs = sum(len(curve.trials) for curve in filled)
    return below_legend(styled_figure(drawing, source, height, trials=runs, says=sentence))


def _right_of_zero(curve: MeanCurve) -> MeanCurve:
    """The curve without what has no place on a logarithmic axis."""
    points = [point for point in curve.points if point.x > 0]
    onsets = [onset for onset in curve.onsets if onset.x > 0]
    return curve.model_copy(update={"points": points, "onsets": onsets})


def _drawing(
    curves: MeanCurves, shown_panels: Mapping[str, Sequence[MeanCurve]], band: Band, log: bool
) -> Drawing:
    """The panels, each with its lines, its bands and the marks of collapses."""
    looks = _looks([curve for part in shown_panels.values() for curve in part])
    panels = []
    for name, part in shown_panels.items():
        means = [p.mean for curve in part for p in curve.points if p.mean is not None]
        floor = LOG_FLOOR * min(means) if log and means and min(means) > 0 else -math.inf
        strokes = [_stroke(curve, band, looks, floor, _opacity(part)) for curve in part]
        title = ": ".join(text for text in (name, curves.title) if text)
        panels.append(CurvePanel(title=title, strokes=strokes))
    drawing = stacked(panels, SCALE_TITLES[curves.x], logarithmic=log)
    for row, part in enumerate(shown_panels.values(), start=1):
        for curve in part:
            _add_full(drawing, row, curve, looks)
            _add_onsets(drawing, row, curve, looks)
    return drawing


def _why_nothing(curves: MeanCurves) -> str:
    title = SCALE_TITLES[curves.x]
    if curves.without_x:
        return f"Of {curves.without_x} runs none has stored its {title}: choose another x axis."
    return f"No run like that has an evaluation with {curves.score} yet."


def _panels(curves: Sequence[MeanCurve]) -> dict[str, list[MeanCurve]]:
    """The curves by the title of their panel; what all panels share is in none."""
    names = [name for name in PANEL_COLUMNS if name in curves[0].by]
    varied = [name for name in names if name == "setting" or len({c.by[name] for c in curves}) > 1]
    panels: dict[str, list[MeanCurve]] = {}
    for curve in curves:
        title = ", ".join(str(curve.by[name]) for name in varied)
        panels.setdefault(title, []).append(curve)
    return panels


def _label(curve: MeanCurve) -> str:
    """What tells the curve from the others of its panel."""
    parts = [
        str(value) if name == "method" else f"{SHORT_NAMES.get(name, name)} {_text(value)}"
        for name, value in curve.by.items()
        if name not in PANEL_COLUMNS and value is not None
    ]
    return ", ".join(parts) or "all runs"


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _looks(curves: Sequence[MeanCurve]) -> dict[str, tuple[str, str]]:
    """Colour and dash by label: a method has its colour, and each of its lines dashes."""
    methods = {_label(curve): curve.by.get("method") for curve in curves}
    if None in methods.values():
        return dict(zip(methods, zip(cycle(PALETTE), cycle(DASHES), strict=False), strict=False))
    looks: dict[str, tuple[str, str]] = {}
    for method in in_order(method for method in methods.values() if method is not None):
        labels = sorted(
            label for label, method_of_label in methods.items() if method_of_label == method
        )
        looks |= {
            label: (colour(method), dash)
            for label, dash in zip(labels, cycle(DASHES), strict=False)
        }
    return looks


def _opacity(panel: Sequence[MeanCurve]) -> float:
    """Opacity of the bands of a panel, 0 for none."""
    if len(panel) > MOST_BANDS:
        return 0.0
    return BAND if len(panel) <= FEW_BANDS else FAINT


def _stroke(
    curve: MeanCurve,
    band: Band,
    looks: Mapping[str, tuple[str, str]],
    floor: float,
    opacity: float,
) -> Stroke:
    label, points = _label(curve), curve.points
    edges = [_edges(point, band, floor) for point in points]
    has_band = opacity > 0 and any(edge != (None, None) for edge in edges)
    shade, dash = looks[label]
    return Stroke(
        line=Curve(
            x=range(len(points)),
            y=[point.mean for point in points],
            low=[low for low, _ in edges] if has_band else (),
            high=[high for _, high in edges] if has_band else (),
            odd=[k for k, point in enumerate(points) if point.not_finite],
        ),
        name=label,
        legend=label,
        colour=shade,
        dash=dash,
        width=THIN_WIDTH,
        x=[point.x for point in points],
        opacity=opacity,
        texts=[_point_text(label, curve, point, band) for point in points],
    )


def _edges(point: MeanPoint, band: Band, floor: float) -> tuple[float | None, float | None]:
    """Lower and upper edge of the band, both None where there are too few runs."""
    if band == "ci95":
        low, high = point.ci95_low, point.ci95_high
    elif point.mean is not None and point.sd is not None:
        low, high = point.mean - point.sd, point.mean + point.sd
    else:
        low, high = None, None
    return (None, None) if low is None or high is None else (max(low, floor), high)


def _point_text(label: str, curve: MeanCurve, point: MeanPoint, band: Band) -> str:
    total = len(curve.trials)
    runs = f"{point.n} of {total} run{'s' if total != 1 else ''}"
    if point.not_finite:
        runs += f", {point.not_finite} not finite"
    if point.n + point.not_finite < total:
        runs += f", {total - point.n - point.not_finite} not here"
    seed_texts = [
        f"seed {seed}: {number(value)}"
        for seed, value in zip(curve.seeds, point.values, strict=True)
        if value is not None
    ]
    rest = [f"and {len(seed_texts) - MOST_NAMED} more"] if len(seed_texts) > MOST_NAMED else []
    mean = f"at {number(point.x, 4)}: mean {number(point.mean)}{_spread_text(point, band)}"
    return "<br>".join([label, mean, runs, *seed_texts[:MOST_NAMED], *rest])


def _spread_text(point: MeanPoint, band: Band) -> str:
    low, high = _edges(point, band, -math.inf)
    if low is None:
        return ", too few for a band"
    return f" ± {number(point.sd)} (sd)" if band == "sd" else f" [{number(low)}, {number(high)}]"


def _add_full(
    drawing: Drawing, row: int, curve: MeanCurve, looks: Mapping[str, tuple[str, str]]
) -> None:
    """Draws the mean again, wide, where it is of every run of its group."""
    label, points = _label(curve), curve.points
    shade, dash = looks[label]
    add_scatter(
        drawing,
        (row, 1),
        x=[point.x for point in points],
        y=[point.mean if point.n == len(curve.trials) else None for point in points],
        mode="lines",
        line={"color": shade, "width": FULL_WIDTH, "dash": dash},
        connectgaps=False,
        hoverinfo="skip",
        showlegend=False,
        legendgroup=label,
        name=f"{label}: every run",
    )


def _add_onsets(
    drawing: Drawing, row: int, curve: MeanCurve, looks: Mapping[str, tuple[str, str]]
) -> None:
    """Marks on the mean where signals of a collapse began, runs of one moment together."""
    moments: dict[tuple[str, float], list[Onset]] = {}
    for onset in curve.onsets:
        if onset.mean is not None:
            moments.setdefault((onset.signal, onset.x), []).append(onset)
    if not moments:
        return
    label = _label(curve)
    add_scatter(
        drawing,
        (row, 1),
        x=[x for _, x in moments],
        y=[onsets[0].mean for onsets in moments.values()],
        mode="markers",
        marker={
            "symbol": [SYMBOLS[signal] for signal, _ in moments],
            "size": 10,
            "color": looks[label][0],
            "line": {"width": 1.5, "color": looks[label][0]},
        },
        text=[f"{label}<br>{_onset_text(onsets)}" for onsets in moments.values()],
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
        legendgroup=label,
        name=f"{label}: collapse",
    )


def _onset_text(onsets: Sequence[Onset]) -> str:
    seeds = [str(onset.seed) for onset in onsets[:MOST_NAMED]]
    rest = f" and {len(onsets) - MOST_NAMED} more" if len(onsets) > MOST_NAMED else ""
    word = "seeds" if len(onsets) > 1 else "seed"
    first = onsets[0]
    return f"{first.signal} of {word} {', '.join(seeds)}{rest} from iteration {first.iteration}"


def _sentence(
    curves: MeanCurves,
    filled: Sequence[MeanCurve],
    band: Band,
    panels: Mapping[str, Sequence[MeanCurve]],
    log_x: bool,
) -> str:
    """What the figure shows and what it does not, in words."""
    runs = sum(len(curve.trials) for curve in filled)
    fewest = 2 if band == "sd" else 3
    parts = [
        f"{len(filled)} means over {runs} runs; band: {BAND_NAMES[band]}, from {fewest} runs on",
        *_thin_sentences(filled),
        *_mixed_sentences(filled),
    ]
    if curves.without_x:
        parts.append(f"{curves.without_x} runs are nowhere on this x axis and are left out")
    if len(panels) > MOST_PANELS:
        parts.append(f"shown are {MOST_PANELS} of {len(panels)} panels: filter to see others")
    if any(len(panel) > MOST_BANDS for panel in panels.values()):
        parts.append(
            f"a panel of more than {MOST_BANDS} lines has its bands under the pointer alone"
        )
    if log_x:
        parts.append("what is at 0 has no place on the logarithmic x axis")
    signals = {onset.signal for curve in filled for onset in curve.onsets}
    parts += [MARKS[signal] for signal in SIGNAL_NAMES if signal in signals]
    return ". ".join(part[0].upper() + part[1:] for part in parts) + "."


def _thin_sentences(filled: Iterable[MeanCurve]) -> list[str]:
    thin = sum(any(p.n < len(curve.trials) for p in curve.points) for curve in filled)
    if not thin:
        return []
    return [
        f"{thin} of them thin out: a thin line is a mean over fewer runs, as others have ended, "
        "are not there yet or are not finite, and is not the mean of before"
    ]


def _mixed_sentences(filled: Iterable[MeanCurve]) -> list[str]:
    mixed = sum(max(Counter(curve.seeds).values()) > 1 for curve in filled)
    if not mixed:
        return []
    return [
        f"{mixed} hold several runs of one seed, which differ in more than the seed: their band "
        "is over that too"
    ]
