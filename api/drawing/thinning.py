"""Downsamples a curve, keeping its extremes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field

from api.reading.snapshot import Row
from sweep.store.schemas import SCHEMAS
from trainer.config.lookup import UsageError, lookup

CURVE = [name for name in SCHEMAS["evaluations"].names if name not in ("trial_id", "iteration")]
SCALARS = [
    name for name in CURVE if str(SCHEMAS["evaluations"].field(name).type) in ("int64", "double")
]


def curve_keys(names: Sequence[str], *, scalar: bool) -> list[str]:
    """The named columns of a curve, else all. Raises UsageError with the nearest names."""
    columns = SCALARS if scalar else CURVE
    for name in names:
        lookup("key", dict.fromkeys(columns), name)
    return list(dict.fromkeys(names)) or columns


def buckets(rows: Sequence[Row], keys: Sequence[str], max_points: int) -> list[Bucket]:
    """Downsamples rows to at most `max_points` stretches of equal length, oldest first.

    Each keeps its lowest, highest and last value: peaks stay, however few points there are.
    """
    if not rows:
        return []
    first, last = rows[0]["iteration"], rows[-1]["iteration"]
    parts: dict[int, list[Row]] = {}
    for row in rows:
        position = (row["iteration"] - first) * max_points // (last - first + 1)
        parts.setdefault(position, []).append(row)
    return [
        Bucket(
            from_iteration=part[0]["iteration"],
            to_iteration=part[-1]["iteration"],
            n=len(part),
            values={key: _extent([row[key] for row in part]) for key in keys},
        )
        for _, part in sorted(parts.items())
    ]


def _extent(values: Sequence[float | None]) -> Extent:
    present = [value for value in values if value is not None]
    good = [value for value in present if math.isfinite(value)]
    return Extent(
        min=min(good, default=None),
        max=max(good, default=None),
        last=good[-1] if good else None,
        not_finite=len(present) - len(good),
    )


def flat_bucket(bucket: Bucket) -> dict[str, Any]:
    """A bucket as a line of a table: `d_loss_min`, `d_loss_max`, ..."""
    bounds = bucket.model_dump(exclude={"values"})
    values: Mapping[str, Extent] = bucket.values
    return bounds | {
        f"{key}_{name}": value
        for key, extent in values.items()
        for name, value in extent.model_dump().items()
    }


def at_iterations(rows: Sequence[Row], iterations: Sequence[int], trial_id: str) -> list[Row]:
    """Selects the rows of some iterations, else all. Raises UsageError for one without a row."""
    present = sorted({row["iteration"] for row in rows})
    for iteration in iterations:
        if present and iteration not in present:
            nearest = min(present, key=lambda k: abs(k - iteration))
            raise UsageError(
                f"{trial_id} has nothing at iteration {iteration}; the nearest is {nearest}"
            )
    return [row for row in rows if not iterations or row["iteration"] in iterations]


def indices(n: int, points: int) -> list[int]:
    """Spreads at most `points` of the indices 0 to n - 1 evenly, both ends among them."""
    if n <= points:
        return list(range(n))
    return [round(k * (n - 1) / (points - 1)) for k in range(points)]


class Bucket(BaseModel):
    from_iteration: int
    to_iteration: int
    n: int = Field(description="evaluations in it")
    values: dict[str, Extent] = Field(description="by key")


class Extent(BaseModel):
    """A value over some iterations."""

    min: float | None
    max: float | None
    last: float | None
    not_finite: int = Field(description="values that are neither minimum, maximum nor last")
