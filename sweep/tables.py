"""A table as the bytes of a CSV or Parquet file. A leaf: pyarrow and the standard library."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sweep.results import pylist


def parquet_of(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
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
