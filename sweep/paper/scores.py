"""Scores' names and decimals, and statistics over seeds. Standard library only."""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Sequence

from sweep.store.vocabulary import Row

# Title of each distance, and its usual decimals.
SCORE_TITLES = {"fd_digits": "FD-digits", "fid": "FID", "fd_pictures": "FD-pictures"}
DECIMALS = {"fd_digits": 0, "fid": 2, "fd_pictures": 1}


# The column of a score that a loop of its own has declared.
OWN_SCORE = "own_score"


def score_name(row: Row) -> str:
    """The column of the score that decides about the best evaluation; lower is better, but for
    what a loop of its own declares otherwise. Own pictures without Inception weights declare
    theirs."""
    declared = row.get("score")
    if declared is not None:
        return declared if declared in SCORE_TITLES else OWN_SCORE
    return "fd_digits" if row["dataset"].startswith("digits") else "fid"


def score_title(row: Row) -> str:
    """The title of that score: a loop's own under its own name."""
    score = score_name(row)
    return row["score"] if score == OWN_SCORE else SCORE_TITLES[score]


def is_higher_better(row: Row) -> bool:
    """Tells whether of that score higher is better, as a loop of its own may declare."""
    return row.get("score_direction") == "higher"


def sample_sd(values: Sequence[float]) -> float:
    """Standard deviation (n - 1) of two or more values; NaN if one is, where stdev raises."""
    mean = statistics.fmean(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))


def t_interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % confidence interval of the mean of at least two values, by Student's t."""
    n = len(values)
    half = t_quantile(n - 1) * sample_sd(values) / math.sqrt(n)
    mean = statistics.fmean(values)
    return mean - half, mean + half


# Asked again and again: an interval at every point of a curve.
@functools.lru_cache(maxsize=1024)
def t_quantile(degrees: int, share: float = 0.95) -> float:
    """The t that |T| stays below with probability `share`, by bisection."""
    low, high = 0.0, 1e3
    for _ in range(60):
        middle = (low + high) / 2
        if _t_inside(middle, degrees) < share:
            low = middle
        else:
            high = middle
    return low


def _t_inside(t: float, degrees: int) -> float:
    """P(|T| < t) for whole degrees of freedom; Abramowitz and Stegun, 26.7.3 and 26.7.4."""
    angle = math.atan(t / math.sqrt(degrees))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = degrees % 2
    total, term = 0.0, cosine if odd else 1.0
    for k in range(2 + odd, degrees + 1, 2):
        total += term
        term *= cosine**2 * (k - 1) / k
    return 2 / math.pi * (angle + sine * total) if odd else sine * total
