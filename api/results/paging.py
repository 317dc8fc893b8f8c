"""Lists of trials, sorted and paged by a cursor that outlives changes of the store."""

from __future__ import annotations

import base64
import bisect
import functools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any

import pyarrow as pa

from api.reading.memo import memoise_by_snapshot
from api.reading.snapshot import Row, Snapshot
from api.results.filters import (
    STORED,
    Filters,
    column,
    matching,
    selected_settings,
    trials_of_settings,
)
from api.web.problems import BadCursor

BY_ID = "trial_id"


@dataclass(frozen=True, slots=True)
class Sort:
    """Order by a stored column; rows without a value there come last either way, ties by id."""

    column: str = BY_ID
    descending: bool = False

    def __str__(self) -> str:
        return f"-{self.column}" if self.descending else self.column


def read_sort(text: str) -> Sort:
    """Reads `column` or `-column`. Raises UsageError with the nearest names."""
    return Sort(column("sort column", text.removeprefix("-")), text.startswith("-"))


@dataclass(frozen=True, slots=True)
class Page:
    records: Sequence[Row]
    next_cursor: str | None


def page(
    snapshot: Snapshot, filters: Filters, sort: Sort, limit: int | None, cursor: str | None
) -> Page:
    """Returns at most `limit` records behind the cursor, by None all of them.

    Raises UsageError and BadCursor.
    """
    rows = _ordered(snapshot, sort, selected_settings(snapshot, filters))
    if cursor is not None:
        place = _read_cursor(cursor, sort)
        is_behind = functools.partial(_is_behind, sort=sort, place=place)
        rows = rows[bisect.bisect_left(rows, True, key=is_behind) :]
    matches = matching(snapshot, filters, rows)
    if limit is not None and len(matches) > limit:
        return Page(matches[:limit], _write_cursor(matches[limit - 1], sort))
    return Page(matches, None)


# A snapshot is one object until the store changes: a list is sorted once for each.
@memoise_by_snapshot(size=32)
def _ordered(snapshot: Snapshot, sort: Sort, settings: tuple[str, ...] | None) -> Sequence[Row]:
    by_rank: tuple[list[Row], ...] = ([], [], [])
    for row in trials_of_settings(snapshot, settings):
        by_rank[_rank(row[sort.column])].append(row)
    # Also in reverse the sort is stable, so that equal ones stay in the order of their ids.
    by_rank[0].sort(key=itemgetter(sort.column), reverse=sort.descending)
    return [row for part in by_rank for row in part]


def _rank(value: Any) -> int:
    """0 for values that can be compared, 1 for NaN, 2 for none."""
    return 2 if value is None else int(isinstance(value, float) and math.isnan(value))


def _is_behind(row: Row, sort: Sort, place: tuple[int, Any, str]) -> bool:
    rank, value, trial_id = place
    own = row[sort.column]
    if _rank(own) != rank:
        return _rank(own) > rank
    if rank == 0 and own != value:
        return (own < value) if sort.descending else (own > value)
    return row[BY_ID] > trial_id


def _write_cursor(row: Row, sort: Sort) -> str:
    value = row[sort.column]
    rank = _rank(value)
    plain = value.isoformat() if isinstance(value, datetime) else value if rank == 0 else None
    content = json.dumps([str(sort), rank, plain, row[BY_ID]])
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def _read_cursor(cursor: str, sort: Sort) -> tuple[int, Any, str]:
    """Rank, value and id of the last row before the cursor. Raises BadCursor."""
    malformed = BadCursor(
        f"malformed cursor {cursor[:80]!r}; use `next_cursor` of the page before"
    )
    try:
        cursor_sort, *place = json.loads(
            base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", True)
        )
    except (ValueError, TypeError, RecursionError) as error:
        raise malformed from error
    if isinstance(cursor_sort, str) and cursor_sort != str(sort):
        raise BadCursor(f"the cursor is of a list sorted by {cursor_sort[:80]}, not by {sort}")
    match place:
        case [0, value, str(trial_id)] if value is not None:
            try:
                return 0, _typed(value, STORED[sort.column]), trial_id
            except (ValueError, TypeError, OverflowError, pa.ArrowException) as error:
                raise malformed from error
        case [1 | 2 as rank, None, str(trial_id)]:
            return rank, None, trial_id
    raise malformed


def _typed(value: Any, kind: pa.DataType) -> Any:
    """The value as the column has it. Raises if it is none of its type."""
    if pa.types.is_timestamp(kind):
        value = datetime.fromisoformat(value)
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
    return pa.scalar(value, kind).as_py()
