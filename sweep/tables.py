"""A table as rows, or as the bytes of a CSV or Parquet file.

A leaf: pyarrow and the standard library.
"""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def pylist(table: pa.Table) -> list[dict[str, Any]]:
    """The rows of a table whose times are in microseconds, UTC, as the store's are.

    `to_pylist` imports pandas for a time, which takes longer than all else that a command does.
    """
    times = [field.name for field in table.schema if pa.types.is_timestamp(field.type)]
    kinds = [(f.name, pa.int64() if f.name in times else f.type) for f in table.schema]
    rows = table.cast(pa.schema(kinds)).to_pylist()
    for row in rows:
        for name in times:
            if row[name] is not None:
                row[name] = _EPOCH + timedelta(microseconds=row[name])
    return rows


def parquet_of(table: pa.Table, *, packed: bool = True) -> bytes:
    """`packed`: with dictionaries and statistics."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, use_dictionary=packed, write_statistics=packed)
    return sink.getvalue().to_pybytes()


def csv_of(table: pa.Table, *, newline: str = "\r\n") -> bytes:
    """RFC 4180 in UTF-8: null is empty, NaN is `nan`, a list is a JSON array, a time is ISO 8601.

    Times are in microseconds, UTC, as the store's are.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=newline)
    writer.writerow(table.column_names)
    writer.writerows([_cell(value) for value in row.values()] for row in pylist(table))
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    match value:
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.isoformat()
        case list() | dict():
            return json.dumps(value)
        case str() if value[:1] in ("=", "+", "-", "@", "\t", "\r"):
            return f"'{value}"  # a spreadsheet would run it as a formula
    return value
