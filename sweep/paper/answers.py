"""Answers to questions about the paper. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass

HOLDS, FAILS = "holds", "does not hold"
NOT_COMPARABLE, NOT_MEASURED = "not comparable", "not measured"


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict and its sentence: `value` is in the claim's unit (percent, or a count of `n`), `n`
    counts settings or trials, as `says` has it. `comparable` tells whether every number behind it
    can be set beside Table II's."""

    verdict: str
    value: float | None
    n: int
    says: str
    comparable: bool = True


def verdict(holds: bool) -> str:
    return HOLDS if holds else FAILS


def not_measured(reason: str) -> Answer:
    return Answer(NOT_MEASURED, None, 0, reason, comparable=False)
