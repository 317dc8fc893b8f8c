"""Rows of a table that share one set of column names. A leaf: pyarrow and the standard library.

A row as a dictionary of the hundred columns of `trials` takes 9 KB, a compact one 3 KB, and a
service keeps ten thousand of them.
"""

from __future__ import annotations

import functools
import operator
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Of these columns no two trials have the same text, and of others many: those are kept once.
_UNSHARED = ("trial_id", "config", "traceback")


class CompactRow(Mapping[str, Any]):
    """A stored row: read as a dictionary by column name, never changed."""

    __slots__ = ("_places", "_values")

    def __init__(self, places: Mapping[str, int], values: Sequence[Any]) -> None:
        """`values` are in the order of the columns that `places` numbers."""
        self._places = places
        self._values = values

    def __getitem__(self, name: str) -> Any:
        return self._values[self._places[name]]

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __repr__(self) -> str:
        return f"CompactRow({dict(self)})"

    def projected(self, names: Sequence[str], defaults: Mapping[str, Any]) -> CompactRow:
        """A row of the columns `names`: `defaults` first, else its own value, else null."""
        stored = tuple(self._places.items())
        columns = _projection(stored, len(self._values), tuple(names), tuple(defaults))
        return CompactRow(columns, (*self._values, None, *defaults.values()))


@functools.lru_cache(maxsize=64)
def places(names: tuple[str, ...]) -> Mapping[str, int]:
    """Numbers column names in their order; one mapping for all rows of the same columns."""
    return {name: place for place, name in enumerate(names)}


@functools.lru_cache(maxsize=64)
def _projection(
    stored: tuple[tuple[str, int], ...], n: int, names: tuple[str, ...], defaults: tuple[str, ...]
) -> Mapping[str, int]:
    """Places of `names` among `n` stored values, a null and the defaults, one after the other."""
    columns = dict.fromkeys(names, n)
    columns |= {name: place for name, place in stored if name in columns}
    return columns | {name: n + 1 + place for place, name in enumerate(defaults)}


def compact_rows(table: pa.Table) -> list[CompactRow]:
    """The rows of a table whose times are in microseconds, UTC, as the store's are.

    Column by column: no step is long, and so other threads of a service go on between them.
    Raises ValueError or ArithmeticError for text that is not UTF-8 or a time of no calendar.
    """
    row_places = places(tuple(table.column_names))
    columns = [column_values(table, name) for name in table.column_names]
    return [CompactRow(row_places, values) for values in zip(*columns, strict=True)]


def column_values(table: pa.Table, name: str) -> list[Any]:
    """The values of a column; of texts that are equal, one object.

    `to_pylist` of a column of times imports pandas, which takes longer than all else that a
    command does: they are counted from 1970 here.
    """
    column = table[name]
    if pa.types.is_timestamp(column.type):
        moments = column.cast(pa.int64()).to_pylist()
        return [None if us is None else _EPOCH + timedelta(microseconds=us) for us in moments]
    values = column.to_pylist()
    if pa.types.is_map(column.type):
        return [None if pairs is None else dict(pairs) for pairs in values]
    if pa.types.is_string(column.type) and name not in _UNSHARED:
        return [value and sys.intern(value) for value in values]
    return values


def values_by_column(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> list[Sequence[Any]]:
    """The values of rows column by column, in the order of `names`; null where a row has none.

    Rows of the same columns, as those of a store are, are taken apart without a look-up by name.
    """
    pickers: dict[int, Callable[[Sequence[Any]], Sequence[Any]]] = {}
    picked: list[Sequence[Any]] = []
    for row in rows:
        if not isinstance(row, CompactRow):
            picked.append([row.get(name) for name in names])
            continue
        stored = row._places
        if id(stored) not in pickers:
            pickers[id(stored)] = _picker([stored.get(name) for name in names])
        picked.append(pickers[id(stored)](row._values))
    return list(zip(*picked, strict=True)) if rows else [() for _ in names]


def _picker(wanted: Sequence[int | None]) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """Picks the values at these places; null where there is no place."""
    if None in wanted or len(wanted) < 2:
        return lambda values: [None if place is None else values[place] for place in wanted]
    return operator.itemgetter(*wanted)
