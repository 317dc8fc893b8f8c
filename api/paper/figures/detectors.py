"""ROC of the detectors: a panel with every curve, and the lead times beside it."""

from __future__ import annotations

from collections.abc import Sequence

from api.drawing.figure import Figure, below_legend, styled_figure
from api.drawing.look import OTHER_COLOUR
from api.drawing.panel_grid import add_scatter, add_vertical, panel_grid, set_x_axes, set_y_axes
from api.paper.detectors import Detector

# Okabe and Ito's, each with a contrast of at least 3 to a light and to a dark page.
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#B07AA1", "#888888")
ROC, LEADS = (1, 1), (1, 2)
HEIGHT = 440


def contest(detectors: Sequence[Detector], source: str) -> Figure:
    """Shares of hits over shares of false alarms; beside them each alarm's lead over the label."""
    drawing = panel_grid(
        columns=2,
        horizontal_spacing=0.14,
        titles=["<b>ROC, whole runs</b>", "<b>lead of the alarm, iterations</b>"],
    )
    add_scatter(
        drawing,
        ROC,
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        showlegend=False,
        hoverinfo="skip",
        line={"color": OTHER_COLOUR, "width": 1, "dash": "dot"},
    )
    add_vertical(drawing, 0, {"color": OTHER_COLOUR, "width": 1.2, "dash": "dot"}, LEADS)
    for detector, colour in zip(detectors, COLOURS, strict=True):
        add_scatter(
            drawing,
            ROC,
            x=[round(x, 4) for x, _ in detector.curve],
            y=[round(y, 4) for _, y in detector.curve],
            mode="lines+markers",
            name=detector.detector,
            legendgroup=detector.detector,
            line={"color": colour, "width": 2, "dash": "dot" if detector.circular else "solid"},
            marker={"size": 4, "color": colour},
            hovertemplate=f"{detector.detector}: %{{y:.0%}} hits, %{{x:.0%}} false alarms"
            "<extra></extra>",
        )
        known = [lead for lead in detector.leads if lead.lead is not None]
        add_scatter(
            drawing,
            LEADS,
            x=[lead.lead for lead in known] or [None],
            y=[detector.detector] * (len(known) or 1),
            mode="markers",
            showlegend=False,
            legendgroup=detector.detector,
            marker={"color": colour, "size": 8, "symbol": "circle-open"},
            text=[lead.trial_id for lead in known],
            hovertemplate="%{text}<br>%{x:+} iterations<extra></extra>",
        )
    set_x_axes(drawing, column=1, title="share of false alarms", range=[-0.03, 1.03])
    set_y_axes(drawing, column=1, title="share of hits", range=[-0.03, 1.03])
    set_x_axes(drawing, column=2, title="before the collapse above 0, after it below")
    names = [detector.detector for detector in detectors]
    set_y_axes(drawing, column=2, type="category", categoryorder="array", categoryarray=names)
    set_y_axes(drawing, column=2, range=[len(names) - 0.4, -0.6], ticks="")
    areas = ", ".join(area_text(d) for d in detectors)
    figure = styled_figure(
        drawing,
        source,
        HEIGHT,
        trials=max(d.judged for d in detectors),
        says=f"Area under the curve, 1 is perfect and 0.5 a coin: {areas}.",
    )
    return below_legend(figure)


def area_text(detector: Detector) -> str:
    if detector.area is None:
        return f"{detector.detector} not judged ({detector.reasons['area']})"
    if detector.interval is None:
        return f"{detector.detector} {detector.area:.2f}"
    low, high = detector.interval
    return f"{detector.detector} {detector.area:.2f} [{low:.2f}, {high:.2f}]"
