"""Measured numbers behind a verdict, and what the curve reaches after its best score. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from api.reading.snapshot import Row
from api.trials.dataset_facts import score_of
from api.trials.models import TrialDetail
from api.web.words import number

# Evaluations in a row that a rule asks for.
STREAK = 3
# Columns that a signal's rule looks at, and their names in a sentence.
COLUMNS = {
    "mode_collapse": (
        ("modes", "modes"),
        ("inception_score", "IS"),
        ("fid", "FID"),
        ("fd_pictures", "FD-pictures"),
        ("coverage", "coverage"),
        ("own_score", "score"),
    ),
    "spectral_collapse": (("spectrum_left", "mean σ₂/σ₁"),),
    "dead": (("d_spread", "spread of D(x)"),),
    "diverged": (),
}


def evidence(trial: TrialDetail, rows: Sequence[Row]) -> dict[str, str]:
    """Measured values by signal, at its first evaluations, like `modes 17, 14, 12`."""
    sentences = {}
    for signal in trial.verdict.signals:
        first_rows = [row for row in rows if row["iteration"] >= signal.at][:STREAK]
        parts = [
            f"{label} {', '.join(number(value) for value in values)}"
            for column, label in COLUMNS[signal.name]
            if (values := [row[column] for row in first_rows if _is_number(row[column])])
        ]
        if parts:
            sentences[signal.name] = "; ".join(parts)
    return sentences


@dataclass(frozen=True, slots=True, kw_only=True)
class LaterLow:
    """A lower distance than the best one, measured after mode collapse began."""

    distance: float
    iteration: int


def later_low(trial: TrialDetail, rows: Sequence[Row]) -> LaterLow | None:
    """The lowest distance from mode collapse on, if it is lower than the best before it, or if
    there is none before it."""
    if trial.mode_collapse_at is None or trial.score_direction == "higher":
        return None
    score = score_of(trial)
    best = None if trial.best is None else getattr(trial.best, score)
    later = [
        (row[score], row["iteration"])
        for row in rows
        if row["iteration"] >= trial.mode_collapse_at and _is_number(row.get(score))
    ]
    if not later or (best is not None and min(later)[0] >= best):
        return None
    distance, iteration = min(later)
    return LaterLow(distance=distance, iteration=iteration)


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
