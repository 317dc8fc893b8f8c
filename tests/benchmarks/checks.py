"""Checks of the service's answers, against what does not change while a store is written to.

An id names one trial, whatever it has done since, and a curve only grows.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from odd_rows import Odd

from sweep.store.schemas import SCHEMAS
from sweep.store.tables import parse
from trainer.config.trial import TrialConfig

JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"
FORMATS = {"json": JSON, "csv": CSV, "parquet": PARQUET}
HTML, PROBLEM = "text/html", "application/problem+json"
NUMBERS = {
    field.name
    for table in ("trials", "evaluations")
    for field in SCHEMAS[table]
    if pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
}
# What an id and a plan say of a trial.
IDENTITY = ("profile", "setting", "method", "seed")


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: its status, media type and body, uncompressed."""

    status: int
    media: str
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Question:
    """An address, and a check that raises AssertionError for a wrong answer."""

    path: str
    check: Callable[[Answer], None]
    media: str = JSON
    status: int = 200
    # Of the store whose unreadable files the service may answer 500 for, by name.
    unreadable: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """The store that is asked about: its trials by id, and which of their files are odd."""

    root: Path
    trials: Mapping[str, Mapping[str, Any]]
    ids: Sequence[str]
    odd_files: frozenset[str]


def facts_of(root: Path, configs: Sequence[TrialConfig], odd: Sequence[Odd]) -> Facts:
    trials = {c.trial_id: {name: getattr(c, name) for name in IDENTITY} for c in configs}
    for each in odd:
        if each.foreign and each.column in IDENTITY:
            trials[each.trial_id] |= {each.column: each.value}
    files = frozenset(f"{o.table}/{o.trial_id}.parquet" for o in odd if not o.foreign)
    return Facts(root, trials, [*trials], files)


def unreadable(facts: Facts, *files: str) -> Sequence[str]:
    return [file for file in files if file in facts.odd_files]


def rows_of(answer: Answer) -> list[dict[str, Any]]:
    """The rows of a list in any format, with numbers as numbers and NaN as NaN."""
    if answer.media == JSON:
        items = answer.json()["items"]
        for item in items:
            item |= {name: float(value) for name, value in item.get("nonfinite", {}).items()}
        return items
    if answer.media == PARQUET:
        return pq.read_table(io.BytesIO(answer.body)).to_pylist()
    return [
        {name: _value(text, name) for name, text in row.items()}
        for row in csv.DictReader(io.StringIO(answer.body.decode()))
    ]


def _value(text: str, name: str) -> Any:
    """The cell of a column: a number if the store has numbers there, else its text."""
    if text == "":
        return None
    # A table may have a list, one per seed, under the name of a number.
    return float(text) if name in NUMBERS and not text.startswith("[") else text


def curve_in(path: Path, keys: Sequence[str]) -> list[dict[str, Any]]:
    """The stored curve as it is now; none if there is no file."""
    if not path.exists():
        return []
    return parse(path.read_bytes(), "evaluations", ["iteration", *keys]).to_pylist()


def same(left: Any, right: Any) -> bool:
    """Tells whether two values are equal, NaN being equal to itself."""
    if isinstance(left, float) and isinstance(right, float) and math.isnan(left):
        return math.isnan(right)
    return left == right


def check_identity(facts: Facts, row: Mapping[str, Any]) -> None:
    """What a row says of its trial is what its id names."""
    expected = facts.trials.get(row["trial_id"])
    assert expected is not None, f"there is no trial {row['trial_id']}"
    for name in IDENTITY:
        if name in row:
            assert row[name] == expected[name], f"{row['trial_id']} has {name} {row[name]}"


def check_order(rows: Sequence[Mapping[str, Any]], by: str, *, descending: bool) -> None:
    """Rows are in order: values first, then NaN, then none; each trial once."""
    ids = [row["trial_id"] for row in rows]
    assert len(set(ids)) == len(ids), "a trial twice"
    ranks = [_rank(row[by]) for row in rows]
    assert ranks == sorted(ranks), f"not in the order of {by}"
    values = [_comparable(row[by]) for row, rank in zip(rows, ranks, strict=True) if rank == 0]
    assert values == sorted(values, reverse=descending), f"not in the order of {by}: {values}"


def _rank(value: Any) -> int:
    return 2 if value is None else int(isinstance(value, float) and math.isnan(value))


def _comparable(value: Any) -> Any:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return value
