"""Verdicts on the paper's sentences: agrees, disagrees, or not enough. Standard library only.

A mean is judged by its 95 % interval, from three runs on; a sentence about all runs by each of
them: one that breaks it suffices.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sweep.paper.scores import t_interval

AGREES, DISAGREES, NOT_ENOUGH = "agrees", "disagrees", "not enough"
FEWEST = 3
# Larger numbers are no measurement, and their squares no floats.
HIGHEST = 1e150


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Whether the paper's sentence on a figure holds for what was measured, over `n` runs."""

    figure: str
    verdict: str
    n: int
    says: str


def of_all(figure: str, agreeing: int, n: int, sentence: str, missing: str) -> Agreement:
    """A sentence about all runs; where every one holds, how far that reaches by n of them."""
    if not n:
        return nothing(figure, missing)
    if n < FEWEST:
        return Agreement(figure=figure, verdict=NOT_ENOUGH, n=n, says=sentence)
    if agreeing < n:
        return Agreement(figure=figure, verdict=DISAGREES, n=n, says=sentence)
    reach = f"{sentence}; of such runs {0.025 ** (1 / n):.0%} or more, with 95 % confidence"
    return Agreement(figure=figure, verdict=AGREES, n=n, says=reach)


def of_mean(
    figure: str,
    values: Sequence[float],
    sentence: str,
    judge: Callable[[float, float], str],
    missing: str,
) -> Agreement:
    """A sentence about a mean, whose interval `judge` is asked about."""
    if not values:
        return nothing(figure, missing)
    if len(values) < FEWEST:
        listed = ", ".join(f"{value:.2f}" for value in values)
        text = sentence.format(listed)
        return Agreement(figure=figure, verdict=NOT_ENOUGH, n=len(values), says=text)
    if not measurable(values):
        text = sentence.format("a value that is not finite")
        return Agreement(figure=figure, verdict=NOT_ENOUGH, n=len(values), says=text)
    finding = judge(*t_interval(values))
    return Agreement(
        figure=figure, verdict=finding, n=len(values), says=sentence.format(span(values))
    )


def measurable(values: Sequence[float]) -> bool:
    """Tells whether all are finite numbers that a mean and an interval can be made of."""
    return all(abs(value) < HIGHEST for value in values)


def span(values: Sequence[float]) -> str:
    low, high = t_interval(values)
    mean = statistics.fmean(values)
    return (
        f"{mean:.2f} [{low:.2f}, {high:.2f}] (runs from {min(values):.2f} to {max(values):.2f})"
    ).replace("-", "−")


def nothing(figure: str, reason: str, n: int = 0) -> Agreement:
    return Agreement(figure=figure, verdict=NOT_ENOUGH, n=n, says=reason)


def of_steps(
    figure: str, signs: Sequence[tuple[str, int, int]], subject: str, needs: str
) -> Agreement:
    """Of steps whose sign is 1 as the text has it, -1 against it, 0 not resolved."""
    if not signs:
        return nothing(figure, f"it takes {needs}")
    agreeing, broken = (sum(sign == sense for _, sign, _ in signs) for sense in (1, -1))
    sentence = f"{subject}: {agreeing} as the text has them, {broken} against it, of {len(signs)}"
    finding = DISAGREES if broken else AGREES if agreeing == len(signs) else NOT_ENOUGH
    return Agreement(figure=figure, verdict=finding, n=min(n for *_, n in signs), says=sentence)
