"""A score over the trials that share something: mean, spread and interval, as over seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import pyarrow as pa
from pydantic import BaseModel, Field

from api.reading.snapshot import Row
from api.results.filters import STORED, numeric_column
from sweep.paper.scores import sample_sd, score_name, t_interval
from sweep.store.nonfinite import finite, without_nonfinite
from sweep.store.vocabulary import FINISHED
from trainer.config.lookup import UsageError, lookup

BY = (
    "profile", "setting", "group", "dataset", "method", "form", "i_ratio", "data_share", "seed",
    "status",
    "batch_size", "channels", "setting_batch_size", "setting_channels", "iterations", "host",
)  # fmt: skip


DEFAULT_BY = ["profile", "setting", "method", "i_ratio", "data_share"]
Aggregate = Callable[[Sequence[float]], Any]


def _at_least(n: int, aggregate: Aggregate) -> Aggregate:
    return lambda values: aggregate(values) if len(values) >= n else None


AGGREGATES: Mapping[str, Aggregate] = {
    "n": len,
    "mean": _at_least(1, statistics.fmean),
    "sd": _at_least(2, sample_sd),
    "ci95": _at_least(3, t_interval),
    "min": _at_least(1, min),
    "median": _at_least(1, statistics.median),
    "max": _at_least(1, max),
}


class Group(BaseModel):
    """Trials that agree in everything that they are grouped by."""

    by: dict[str, Any]
    trials: int = Field(description="of any status")
    settings: int = Field(description="different ones among those counted")
    seeds: int = Field(description="different ones among those counted")
    values: dict[str, int | float | tuple[float | None, float | None] | None] = Field(
        description="by aggregate; null where there are too few, or not finite"
    )
    nonfinite: dict[str, Literal["nan", "inf", "-inf"]] = {}


class Groups(BaseModel):
    """`n` counts finished trials with a score; `sd` is from n = 2, `ci95` from n = 3 (t)."""

    score: str = Field(description="stored column")
    by: list[str]
    items: list[Group]
    snapshot: str


def read_by(names: Sequence[str]) -> list[str]:
    """Checks columns to group by. Raises UsageError with the nearest names."""
    for name in names:
        lookup("column to group by", dict.fromkeys(BY), name)
    return list(dict.fromkeys(names)) or DEFAULT_BY


def read_aggregates(names: Sequence[str]) -> list[str]:
    """Checks names of aggregates. Raises UsageError with the nearest names."""
    for name in names:
        lookup("aggregate", AGGREGATES, name)
    return list(dict.fromkeys(names)) or ["n", "mean", "sd", "ci95"]


def read_score(name: str | None, rows: Sequence[Row]) -> str:
    """The column of that name, else of the distance that all rows are judged by.

    Raises UsageError for an unknown name, and if rows are judged by different distances.
    """
    if name is not None:
        return numeric_column("score", name)
    columns = {row.get("score") or score_name(row): score_name(row) for row in rows}
    if len(columns) > 1:
        names = " and ".join(sorted(columns))
        raise UsageError(f"these trials are judged by {names}: give score=, or a profile")
    return f"best_{next(iter(columns.values()), 'fid')}"


def groups(rows: Iterable[Row], score: str, by: Sequence[str], agg: Sequence[str]) -> list[Group]:
    """Groups the rows, in the order of the columns that they are grouped by, null first."""
    return [_group(values, members, score, agg) for values, members in grouped_rows(rows, by)]


def grouped_rows(rows: Iterable[Row], by: Sequence[str]) -> list[tuple[dict[str, Any], list[Row]]]:
    """The values that each group agrees in, by column, and its rows; in the order of `groups`."""
    parts: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        parts.setdefault(tuple(row[name] for name in by), []).append(row)
    ordered = sorted(
        parts,
        key=lambda key: [(value is not None, 0 if value is None else value) for value in key],
    )
    return [(dict(zip(by, key, strict=True)), parts[key]) for key in ordered]


def _group(by: dict[str, Any], rows: Sequence[Row], score: str, agg: Sequence[str]) -> Group:
    scored = [row for row in rows if row["status"] in FINISHED and row[score] is not None]
    values = [float(row[score]) for row in scored]
    aggregated = {name: AGGREGATES[name](values) for name in agg}
    return Group(
        by=by,
        trials=len(rows),
        settings=len({row["setting"] for row in scored}),
        seeds=len({row["seed"] for row in scored}),
        values={name: without_nonfinite(value) for name, value in aggregated.items()},
        nonfinite=finite(aggregated)["nonfinite"],
    )


def group_row(group: Group) -> dict[str, Any]:
    """A group as a row of a table; an interval is two columns."""
    line = {**group.by, "trials": group.trials, "settings": group.settings, "seeds": group.seeds}
    for name, value in group.values.items():
        if name == "ci95":
            bounds = value if isinstance(value, tuple) else ()
            # A bound is null where the interval is there and is not finite.
            low, high = (math.nan if b is None else b for b in bounds) if bounds else (None, None)
            line |= {"ci95_low": low, "ci95_high": high}
        else:
            line[name] = float(group.nonfinite[name]) if name in group.nonfinite else value
    return line


def schema(by: Sequence[str], agg: Sequence[str]) -> pa.Schema:
    """Arrow schema of the table of groups."""
    fields = [(name, STORED[name]) for name in by]
    fields += [(name, pa.int64()) for name in ("trials", "settings", "seeds")]
    for name in agg:
        columns = ["ci95_low", "ci95_high"] if name == "ci95" else [name]
        fields += [(column, pa.int64() if name == "n" else pa.float64()) for column in columns]
    return pa.schema(fields)
