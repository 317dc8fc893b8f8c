"""Brings whatever DuckDB answers to the kinds of columns that the store has.

These are texts, whole numbers, numbers, truth values, UTC times and lists of them: CSV, JSON and
Parquet of this project hold these, and every reader takes them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

_TIME = pa.timestamp("us", tz="UTC")
_LARGEST_WHOLE = 2**63


def with_plain_columns(table: pa.Table) -> pa.Table:
    """The table with unique names and the store's kinds of columns.

    A decimal, as a sum of whole numbers is, becomes whole numbers if it can, else float64; a date,
    a structure and what else there is becomes text, which for a structure is JSON.
    """
    names = _unique(table.column_names)
    return pa.Table.from_arrays([_plain(column) for column in table.columns], names=names)


def _unique(names: Sequence[str]) -> list[str]:
    """The names, those that were there before with a number behind, as DuckDB has them."""
    unique: list[str] = []
    for name in names:
        number, candidate = 0, name
        while candidate in unique:
            number += 1
            candidate = f"{name}_{number}"
        unique.append(candidate)
    return unique


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(column.cast(kind.value_type))
    if pa.types.is_decimal(kind):
        return _numbers(column)
    plain_kind = _plain_type(kind)
    if plain_kind == _TIME and not _has_python_times(column):
        plain_kind = pa.string()
    if plain_kind is None:
        texts = [None if value is None else _text(value) for value in column.to_pylist()]
        return pa.chunked_array([pa.array(texts, pa.string())])
    return column if kind == plain_kind else column.cast(plain_kind)


def _plain_type(kind: pa.DataType) -> pa.DataType | None:
    """The store's type for values of this one; None if they become text."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        inner = _plain_type(kind.value_type)
        return None if inner is None or pa.types.is_list(inner) else pa.list_(inner)
    if pa.types.is_boolean(kind):
        return pa.bool_()
    if pa.types.is_integer(kind) and kind != pa.uint64():
        return pa.int64()
    if pa.types.is_floating(kind):
        return pa.float64()
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind):
        return pa.string()
    # One without a zone is the store's, in UTC, after a cast: other times are UTC here too.
    if pa.types.is_timestamp(kind) and kind.unit != "ns":
        return _TIME
    return None


def _has_python_times(column: pa.ChunkedArray) -> bool:
    """Tells whether all times are of the years 1 to 9999: infinity is none, nor is the year -5."""
    try:
        column.to_pylist()
    except (OverflowError, ValueError):
        return False
    return True


def _numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    values: list[Decimal | None] = column.to_pylist()
    whole = column.type.scale == 0 and all(v is None or abs(v) < _LARGEST_WHOLE for v in values)
    convert = int if whole else float
    plain = [None if value is None else convert(value) for value in values]
    return pa.chunked_array([pa.array(plain, pa.int64() if whole else pa.float64())])


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    return json.dumps(value, default=str) if isinstance(value, dict | list | tuple) else str(value)
