"""Mean and band of a score over runs along their training, with how many runs are behind each."""

from __future__ import annotations

import math
import statistics
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, Field

from api.drawing.look import SIGNALS
from api.drawing.thinning import indices
from api.reading.snapshot import Row
from api.results.filters import STORED
from api.results.run_curves import Scale
from sweep.paper.scores import sample_sd, t_interval
from sweep.store.nonfinite import without_nonfinite

# Points of a mean: more than half a screen shows.
MOST_POINTS = 100
STATISTICS = ("mean", "sd", "ci95_low", "ci95_high", "min", "max")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run's row, and its score over positions on the x axis, ascending; NaN is a value."""

    record: Row
    iterations: Sequence[int]
    x: Sequence[float]
    y: Sequence[float]


class MeanPoint(BaseModel):
    """The runs that reach `x`, each linear between its evaluations."""

    x: float
    n: int = Field(description="runs that have a finite score here: of these is the mean")
    not_finite: int = Field(description="runs whose score is not finite here")
    mean: float | None
    sd: float | None = Field(description="of n - 1; from n = 2 on")
    ci95_low: float | None = Field(description="of Student's interval of the mean; from n = 3 on")
    ci95_high: float | None
    min: float | None
    max: float | None
    values: list[float | None] = Field(
        description="of each run, as in `trials`; null beyond its ends, or where not finite"
    )


class Onset(BaseModel):
    """Where a signal of a collapse began in one of the runs."""

    trial_id: str
    seed: int
    signal: str = Field(description="mode collapse, spectral collapse, dead D or diverged")
    iteration: int
    x: float
    mean: float | None = Field(description="of the group there")


class MeanCurve(BaseModel):
    """A group of runs: the course of their mean, and where they collapsed."""

    by: dict[str, Any]
    trials: list[str] = Field(description="runs with this score and a place on the x axis")
    seeds: list[int] = Field(description="of each of these runs")
    points: list[MeanPoint] = Field(description="by x")
    onsets: list[Onset]


class MeanCurves(BaseModel):
    """Curves of a score; `n` of a point below the number of `trials` is not the mean of before."""

    score: str = Field(description="column of the evaluations")
    title: str = Field(description="the score in words")
    x: Scale
    by: list[str]
    items: list[MeanCurve]
    without_x: int = Field(description="runs with the score that are nowhere on this x axis")
    snapshot: str


def mean_curve(by: Mapping[str, Any], runs: Sequence[Run]) -> MeanCurve:
    """Mean, deviation and interval over the runs at up to MOST_POINTS positions."""
    points = [_point(x, runs) for x in grid(runs)]
    finite = [(point.x, point.mean) for point in points if point.mean is not None]
    line = [x for x, _ in finite], [mean for _, mean in finite]
    return MeanCurve(
        by=dict(by),
        trials=[run.record["trial_id"] for run in runs],
        seeds=[run.record["seed"] for run in runs],
        points=points,
        onsets=[onset for run in runs for onset in _onsets(run, line)],
    )


def grid(runs: Sequence[Run]) -> list[float]:
    """Positions of a mean: those of the evaluations where runs share them, else evenly spaced."""
    positions = sorted({x for run in runs for x in run.x})
    longest = max((len(run.x) for run in runs), default=0)
    if len(positions) <= 2 * longest:
        return [positions[k] for k in indices(len(positions), MOST_POINTS)]
    steps = min(2 * longest, MOST_POINTS) - 1
    first, width = positions[0], positions[-1] - positions[0]
    return [*(first + width * k / steps for k in range(steps)), positions[-1]]


def value_at(positions: Sequence[float], values: Sequence[float], x: float) -> float | None:
    """The value at `x`, linear between two ascending positions; None beyond their ends.

    NaN at a value that is not finite, and on the way there and back.
    """
    place = bisect_left(positions, x)
    if place == len(positions):
        return None
    after = values[place]
    if positions[place] == x:
        return after
    if place == 0:
        return None
    before = values[place - 1]
    share = (x - positions[place - 1]) / (positions[place] - positions[place - 1])
    return before + share * (after - before)


def _point(x: float, runs: Sequence[Run]) -> MeanPoint:
    values = [value_at(run.x, run.y, x) for run in runs]
    evaluated = [value for value in values if value is not None]
    finite = [value for value in evaluated if math.isfinite(value)]
    n = len(finite)
    low, high = t_interval(finite) if n >= 3 else (None, None)
    return MeanPoint(
        x=x,
        n=n,
        not_finite=len(evaluated) - n,
        mean=statistics.fmean(finite) if n else None,
        sd=sample_sd(finite) if n >= 2 else None,
        ci95_low=low,
        ci95_high=high,
        min=min(finite, default=None),
        max=max(finite, default=None),
        values=without_nonfinite(values),
    )


def _onsets(run: Run, line: tuple[Sequence[float], Sequence[float]]) -> list[Onset]:
    """The signals that were seen in a run within its curve, and the group's mean there."""
    onsets = []
    for signal, column, _ in SIGNALS:
        if (iteration := run.record[column]) is None:
            continue
        if (x := value_at(run.iterations, run.x, iteration)) is not None:
            onsets.append(
                Onset(
                    trial_id=run.record["trial_id"],
                    seed=run.record["seed"],
                    signal=signal,
                    iteration=iteration,
                    x=x,
                    mean=value_at(*line, x),
                )
            )
    return onsets


def rows(curves: Sequence[MeanCurve]) -> list[dict[str, Any]]:
    """A row of a table for each point of each group."""
    return [
        curve.by | {"trials": len(curve.trials)} | point.model_dump(exclude={"values"})
        for curve in curves
        for point in curve.points
    ]


def schema(by: Sequence[str]) -> pa.Schema:
    """Arrow schema of the table of points."""
    return pa.schema(
        [
            *((name, STORED[name]) for name in by),
            ("trials", pa.int64()),
            ("x", pa.float64()),
            ("n", pa.int64()),
            ("not_finite", pa.int64()),
            *((name, pa.float64()) for name in STATISTICS),
        ]
    )
