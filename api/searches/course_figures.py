"""Figures of a study's course and of what mattered in it: best so far, importances. Pure."""

from __future__ import annotations

from api.drawing.figure import Figure, no_figure, styled_figure
from api.drawing.look import PALETTE
from api.drawing.panel_grid import add_bar, add_scatter, panel_grid, set_x_axes, set_y_axes
from api.searches.models import RatedStudy, SearchStudy
from api.searches.scatter_figures import in_words
from api.web.words import number

BAR_HEIGHT, EDGES = 44, 110
LINE, POINTS = PALETTE[0], PALETTE[7]


def best_so_far(study: SearchStudy, source: str) -> Figure:
    """The best score over the iterations that all trials had done by then, a step at each trial
    that ended better."""
    if not study.steps:
        return no_figure("No trial of this study has ended with a score yet.", source)
    trials = {trial.number: trial for trial in study.trials}
    drawing = panel_grid()
    add_scatter(
        drawing,
        x=[*(step.iterations for step in study.steps), study.iterations],
        y=[*(step.score for step in study.steps), study.steps[-1].score],
        text=[*(in_words(study, trials[step.number]) for step in study.steps), "now"],
        mode="lines+markers",
        line={"shape": "hv", "color": LINE},
        marker={"size": [7] * len(study.steps) + [0]},
        showlegend=False,
        hovertemplate="%{text}<extra></extra>",
    )
    is_positive = all(step.score > 0 for step in study.steps)
    set_y_axes(drawing, title=study.score, type="log" if is_positive else "linear")
    set_x_axes(drawing, title="iterations of all trials", rangemode="tozero")
    last = study.steps[-1]
    sentence = (
        f"{number(last.score)} since trial #{last.number}, after {last.iterations:,} of "
        f"{study.iterations:,} iterations."
    )
    return styled_figure(drawing, source, 380, trials=len(study.trials), says=sentence)


def importances(study: RatedStudy, source: str) -> Figure:
    """The share of each parameter in what the best trials have in common, with its interval."""
    if study.no_importances is not None:
        return no_figure(study.no_importances, source)
    titles = {parameter.name: parameter.title for parameter in study.parameters}
    lowest_first = study.importances[::-1]
    drawing = panel_grid()
    add_bar(
        drawing,
        x=[each.share for each in lowest_first],
        y=[titles[each.name] for each in lowest_first],
        orientation="h",
        marker={"color": LINE, "opacity": 0.75},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [max(0.0, each.high - each.share) for each in lowest_first],
            "arrayminus": [max(0.0, each.share - each.low) for each in lowest_first],
            "color": POINTS,
            "thickness": 2,
        },
        text=[
            f"{each.share:.2f} [{each.low:.2f}, {each.high:.2f}], of {each.trials} trials"
            for each in lowest_first
        ],
        textposition="none",
        showlegend=False,
        hovertemplate="%{y}: %{text}<extra></extra>",
    )
    set_x_axes(drawing, title="share of the importance", range=[0, 1])
    best = study.target_share or 0.0
    sentence = f"The best {100 * best:.0f} % of {len(study.trials)} trials against all."
    if study.importances[0].low <= max(each.high for each in study.importances[1:]):
        sentence += " The intervals overlap: which parameter matters most is not known yet."
    height = EDGES + BAR_HEIGHT * len(study.importances)
    return styled_figure(drawing, source, height, trials=len(study.trials), says=sentence)
