"""A table as rows, or as the bytes of a CSV or Parquet file.

A leaf: pyarrow and the standard library.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sweep.store.schemas import SCHEMA_VERSION, SCHEMAS

_NO_TRIAL = dict.fromkeys(SCHEMAS["trials"].names)
_IDENTITY = [name for name in SCHEMAS["sweeps"].names if name in _NO_TRIAL]
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
    """Bytes of a Parquet file; `packed`: with dictionaries and statistics."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, use_dictionary=packed, write_statistics=packed)
    return sink.getvalue().to_pybytes()


def csv_of(table: pa.Table, *, newline: str = "\r\n") -> bytes:
    """Bytes of a CSV file, RFC 4180 in UTF-8.

    Null is empty, NaN is `nan`, a list is a JSON array, a time is ISO 8601. Times are in
    microseconds, UTC, as the store's are.
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


# Tables of few rows or of numbers that never repeat: dictionaries and statistics would make up a
# third of such a file, and a fifth of the time to read it.
MEASURED = ("trials", "evaluations", "spectra")


def columns(table: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows as an Arrow table of the stored schema: a missing key is null, an unknown raises."""
    schema = SCHEMAS[table]
    unknown = {key for row in rows for key in row} - set(schema.names)
    if unknown:
        raise KeyError(f"not in the schema of {table}: {', '.join(sorted(unknown))}")
    stamped = schema.with_metadata({"schema_version": str(SCHEMA_VERSION)})
    return pa.Table.from_pylist([dict(row) for row in rows], schema=stamped)


def file_of(table: str, rows: pa.Table) -> bytes:
    """The bytes of a stored file."""
    return parquet_of(rows, packed=table not in MEASURED)


def parse(content: bytes, table: str, names: Sequence[str] | None = None) -> pa.Table:
    """A stored file in the current schema, or of it the columns `names`, which is much faster.

    Raises an Arrow error or ValueError if it is no such file. One thread: a pool costs more than
    it saves on one row group, and a process that ends soon after Arrow has started one is now
    and then aborted by it.
    """
    file = pq.ParquetFile(pa.BufferReader(content))
    columns_read = None if names is None else list(names)
    return conform(file.read(columns=columns_read, use_threads=False), table, names)


def conform(stored: pa.Table, table: str, names: Sequence[str] | None = None) -> pa.Table:
    """The stored table in the current schema. Raises ValueError if it is not such a table."""
    schema = SCHEMAS[table]
    if names is not None:
        schema = pa.schema([schema.field(name) for name in names])
    if stored.schema.equals(schema):
        return stored
    stored_columns = dict(zip(stored.column_names, stored.columns, strict=True))
    arrays = [
        stored_columns[field.name].cast(field.type)
        if field.name in stored_columns
        else pa.nulls(len(stored), field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def trial_table(key: str, content: bytes, names: Sequence[str] | None = None) -> pa.Table:
    """A stored trial as `parse` reads it; `names` holds the id. Raises ValueError for another."""
    stored = parse(content, "trials", names)
    if stored["trial_id"].to_pylist() != [key]:
        raise ValueError("does not hold the one row of the trial that it is named after")
    return stored


def plan_of(key: str, content: bytes) -> list[dict[str, Any]]:
    """A stored plan in its order. Raises ValueError if it is that of another sweep."""
    rows = pylist(parse(content, "sweeps"))
    if any(row["sweep"] != key or not row["trial_id"] for row in rows):
        raise ValueError("is not the plan of the sweep that it is named after")
    return sorted(rows, key=lambda row: row["position"])


def planned_row(plan_row: Mapping[str, Any]) -> dict[str, Any]:
    """Row of `trials` of a planned trial that has not begun: its identity and status alone."""
    identity = {name: plan_row[name] for name in _IDENTITY}
    return _NO_TRIAL | identity | {"status": "planned"}


def rows_by_key(
    tables: Mapping[str, pa.Table],
) -> tuple[dict[str, dict[str, Any]], dict[str, Exception]]:
    """The one row of each table, or why its values cannot be read. All are of the same columns.

    Together, because hundreds of small tables one by one take ten times as long.
    """
    try:
        rows = pylist(pa.concat_tables(tables.values())) if tables else []
        return dict(zip(tables, rows, strict=True)), {}
    except (ArithmeticError, ValueError, pa.ArrowException) as error:
        if len(tables) == 1:
            return {}, dict.fromkeys(tables, error)
    each = [rows_by_key({key: table}) for key, table in tables.items()]
    rows = {key: row for good, _ in each for key, row in good.items()}
    return rows, {key: error for _, bad in each for key, error in bad.items()}
