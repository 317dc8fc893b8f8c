"""Forest plot of paired differences as an SVG picture, for a page without a server. Standard
library only: a panel per setting, a line per method, a dot per seed, the interval of the mean.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from sweep.paper.final_scores import Difference, FinalScores
from sweep.paper.scores import DECIMALS, SCORE_TITLES

# Pixels.
LABELS, PANEL, GAP, LINE, HEAD, FOOT = 96, 172, 18, 20, 44, 40
# Grey, blue and orange that are told apart on white and on black, and by the colour-blind.
INK, BETTER, WORSE, UNDECIDED = "#767676", "#1b7fbd", "#d1600a", "#8a8a8a"


def forest_plot(scores: Sequence[FinalScores], control: str) -> str:
    """The picture of every method minus `control`: left of the line the method is better.

    Blue or orange is an interval that leaves 0 out, grey one that holds it or that there is none
    of. All panels have one scale, which the largest mean sets: what reaches past it is cut off,
    and an arrow says so. Raises ValueError if nothing was paired with the control.
    """
    settings = list(dict.fromkeys(cell.setting for cell in scores))
    cells = {
        (cell.setting, cell.method): cell.differences[control]
        for cell in scores
        if control in cell.differences
    }
    if not cells:
        raise ValueError(f"no method shares a finished seed with {control}")
    methods = list(dict.fromkeys(method for _, method in cells))
    reach = 1.25 * max(abs(cell.mean) for cell in cells.values() if math.isfinite(cell.mean))
    score = scores[0].score
    width = LABELS + len(settings) * (PANEL + GAP)
    height = HEAD + LINE * len(methods) + FOOT
    parts = [_text(LABELS - 8, HEAD + LINE * (k + 0.5), m, "end") for k, m in enumerate(methods)]
    for column, setting in enumerate(settings):
        left = LABELS + column * (PANEL + GAP)
        parts += _frame(left, setting, height - FOOT, reach, DECIMALS[score])
        for line, method in enumerate(methods):
            y = HEAD + LINE * (line + 0.5)
            difference = cells.get((setting, method))
            if difference is None:
                parts.append(_text(left + PANEL / 2, y, "not measured", "middle", faint=True))
            else:
                parts += _estimate(left, y, difference, reach)
    title = f"{SCORE_TITLES[score]} minus that of {control}, same seed: further left is better"
    parts.append(_text(LABELS, 14, title))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="sans-serif" font-size="12" role="img">\n'
        f"<title>{escape(title)}</title>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def _frame(left: float, setting: str, bottom: float, reach: float, decimals: int) -> Iterator[str]:
    middle = left + PANEL / 2
    yield _text(middle, HEAD - 12, setting, "middle")
    yield _line(middle, HEAD, middle, bottom, INK)
    yield _line(left, bottom, left + PANEL, bottom, INK)
    tick = _round_down(reach)
    for value in (-tick, 0.0, tick):
        x = _place(left, value, reach)
        yield _line(x, bottom, x, bottom + 4, INK)
        yield _text(x, bottom + 14, f"{value:+.{decimals}f}" if value else "0", "middle")


def _round_down(value: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten that is not above the value."""
    power = 10.0 ** math.floor(math.log10(value))
    return power * max(step for step in (1, 2, 5) if step * power <= value)


def _place(left: float, value: float, reach: float) -> float:
    share = min(1.0, max(-1.0, value / reach))
    return left + PANEL / 2 * (1 + share)


def _estimate(left: float, y: float, difference: Difference, reach: float) -> Iterator[str]:
    if not math.isfinite(difference.mean):
        yield _text(left + PANEL / 2, y, "not finite", "middle", faint=True)
        return
    low, high = difference.interval or (math.nan, math.nan)
    colour = BETTER if high < 0 else WORSE if low > 0 else UNDECIDED
    if difference.interval:
        yield _line(_place(left, low, reach), y, _place(left, high, reach), y, colour, 2)
        for end, beyond in ((low, low < -reach), (high, high > reach)):
            if beyond:
                yield _arrow(_place(left, end, reach), y, colour, math.copysign(1, end))
    for value in difference.by_seed.values():
        x = _place(left, value, reach)
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="{colour}" fill-opacity="0.6"/>'
    x = _place(left, difference.mean, reach)
    yield f'<rect x="{x - 3.5:.1f}" y="{y - 3.5:.1f}" width="7" height="7" fill="{colour}"/>'


def _arrow(x: float, y: float, colour: str, direction: float) -> str:
    back = x - 6 * direction
    return (
        f'<path d="M{x:.1f} {y:.1f}L{back:.1f} {y - 4:.1f}L{back:.1f} {y + 4:.1f}Z" '
        f'fill="{colour}"/>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
        f'stroke-width="{width}"/>'
    )


def _text(x: float, y: float, text: str, anchor: str = "start", *, faint: bool = False) -> str:
    style = ' font-style="italic" font-size="10"' if faint else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" dy="0.35em" fill="{INK}" '
        f'text-anchor="{anchor}"{style}>{escape(text)}</text>'
    )
