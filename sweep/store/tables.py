"""A table as rows, or as the bytes of a CSV or Parquet file.

A leaf: pyarrow and the standard library.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sweep.store.compact_rows import CompactRow, column_values, compact_rows, values_by_column
from sweep.store.nonfinite import finite
from sweep.store.schemas import SCHEMA_VERSION, SCHEMAS
from sweep.store.validation import left_out, row_problem, row_problems

_SPECIAL = re.compile('[,"\r\n]')


def table_path(table: str, key: str) -> str:
    """Path of the table's file of a key, from the root of a store."""
    return f"{table}/{key}.parquet"


def pylist(table: pa.Table) -> list[dict[str, Any]]:
    """The rows of a table whose times are in microseconds, UTC, as the store's are."""
    names = table.column_names
    columns = [column_values(table, name) for name in names]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def parquet_of(table: pa.Table, *, packed: bool = True) -> bytes:
    """Bytes of a Parquet file; `packed`: with dictionaries, and statistics but of NaN."""
    sink = pa.BufferOutputStream()
    # False, or the paths of columns, which pyarrow takes and its types do not know.
    statistics: Any = packed and columns_without_nan([table])
    pq.write_table(table, sink, use_dictionary=packed, write_statistics=statistics)
    return sink.getvalue().to_pybytes()


def columns_without_nan(tables: Iterable[pa.Table]) -> list[str]:
    """The Parquet paths of columns that hold no NaN in any of the tables, all of one schema.

    These alone may have statistics: a minimum and a maximum leave NaN out, and a reader to which
    NaN is the greatest number, as DuckDB 2, skips by them the rows that hold it.
    """
    holds_nan: dict[str, bool] = {}
    for table in tables:
        for name, column in zip(table.column_names, table.columns, strict=True):
            for chunk in column.chunks:
                path, values = _leaf(name, chunk)
                holds_nan[path] = holds_nan.get(path, False) or _holds_nan(values)
    return [path for path, holds in holds_nan.items() if not holds]


def _leaf(path: str, values: pa.Array) -> tuple[str, pa.Array]:
    """The Parquet path and the values of a column, or of what its lists hold."""
    if pa.types.is_map(values.type):
        return f"{path}.key_value.value", values.items
    if not pa.types.is_list(values.type):
        return path, values
    return _leaf(f"{path}.list.element", values.flatten())


def _holds_nan(values: pa.Array) -> bool:
    return pa.types.is_floating(values.type) and values.is_nan().true_count > 0


def json_lines_of(table: pa.Table) -> bytes:
    """Bytes of one JSON object per row and line.

    A number that is not finite is null, and named in the row's `nonfinite`; a time is ISO 8601.
    """
    lines = (
        json.dumps(finite(row), default=lambda time: time.isoformat()) for row in pylist(table)
    )
    return "".join(f"{line}\n" for line in lines).encode()


def csv_of(table: pa.Table, *, newline: str = "\r\n") -> bytes:
    """Bytes of a CSV file, RFC 4180 in UTF-8.

    Null is empty, NaN is `nan`, a list is a JSON array, a time is ISO 8601. Times are in
    microseconds, UTC, as the store's are.
    """
    columns = {name: column_values(table, name) for name in table.column_names}
    return csv_of_columns(table.schema, columns, newline=newline)


def csv_of_columns(
    schema: pa.Schema, columns: Mapping[str, Sequence[Any]], *, newline: str = "\r\n"
) -> bytes:
    """Bytes of a CSV file of values by column of the schema, as `csv_of` writes them."""
    columns_of_cells = [_cells(columns[field.name], field.type) for field in schema]
    lines = [",".join(map(_quoted, schema.names))]
    # A line without anything, of a single column, would be no row to most readers.
    lines += (",".join(cells) or '""' for cells in zip(*columns_of_cells, strict=True))
    return "".join(f"{line}{newline}" for line in lines).encode()


def _cells(values: Sequence[Any], kind: pa.DataType) -> Iterable[str]:
    """The cells of a column. Column by column it takes half the time of Python's writer."""
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return ["" if value is None else repr(value) for value in values]
    if not pa.types.is_string(kind):
        return [_cell(value) for value in values]
    cells = {value: _cell(value) for value in set(values)}  # texts repeat
    return [cells[value] for value in values]


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.isoformat()
        case list() | dict():
            return _quoted(json.dumps(value))
        case str() if value[:1] in ("=", "+", "-", "@", "\t", "\r"):
            return _quoted(f"'{value}")  # a spreadsheet would run it as a formula
    return _quoted(str(value))


def _quoted(text: str) -> str:
    """The text as RFC 4180 has it: in quotes if a comma, a quote or a line's end is in it."""
    if not _SPECIAL.search(text):
        return text
    return '"{}"'.format(text.replace('"', '""'))


# Tables of few rows or of numbers that never repeat: dictionaries and statistics would make up a
# third of such a file, and a fifth of the time to read it.
MEASURED = ("trials", "evaluations", "spectra")


def columns(table: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows as an Arrow table of the stored schema: a missing key is null, an unknown raises."""
    schema = SCHEMAS[table]
    unknown = set[str]().union(*rows) - set(schema.names)
    if unknown:
        raise KeyError(f"not in the schema of {table}: {', '.join(sorted(unknown))}")
    stamped = schema.with_metadata({"schema_version": str(SCHEMA_VERSION)})
    values = values_by_column(rows, schema.names)
    arrays = [pa.array(each, f.type) for each, f in zip(values, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=stamped)


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


def plan_of(key: str, content: bytes) -> tuple[list[CompactRow], str | None]:
    """A stored plan in its order, and why some of its rows are left out, if any are.

    Raises ValueError if it is that of another sweep.
    """
    rows = compact_rows(parse(content, "sweeps"))
    if any(row["sweep"] != key for row in rows):
        raise ValueError("is not the plan of the sweep that it is named after")
    planned: dict[str, CompactRow] = {}
    problems = row_problems("sweeps", rows)
    for number, row in enumerate(rows, start=1):
        if number not in problems and planned.setdefault(row["trial_id"], row) is not row:
            problems[number] = f"trial {row['trial_id']} stands in it twice"
    in_order = sorted(planned.values(), key=lambda row: row["position"])
    return in_order, left_out(problems, len(rows))


def planned_row(plan_row: CompactRow, **values: Any) -> CompactRow:
    """Row of `trials` of a planned trial that has not begun: its identity, status, `values`."""
    return plan_row.projected(SCHEMAS["trials"].names, {"status": "planned", **values})


def rows_by_key(
    tables: Mapping[str, pa.Table],
) -> tuple[dict[str, CompactRow], dict[str, str]]:
    """The one row of each table of `trials`, or why it cannot be used. All have the same columns.

    Together, because hundreds of small tables one by one take ten times as long.
    """
    try:
        rows = compact_rows(pa.concat_tables(tables.values())) if tables else []
    except (ArithmeticError, ValueError, pa.ArrowException) as error:
        if len(tables) == 1:
            return {}, dict.fromkeys(tables, first_line(error))
        each = [rows_by_key({key: table}) for key, table in tables.items()]
        by_key = {key: row for good, _ in each for key, row in good.items()}
        return by_key, {key: problem for _, bad in each for key, problem in bad.items()}
    by_key = dict(zip(tables, rows, strict=True))
    problems = {
        key: problem for key, row in by_key.items() if (problem := row_problem("trials", row))
    }
    return {key: row for key, row in by_key.items() if key not in problems}, problems


def first_line(error: BaseException) -> str:
    """First line of the error's message, or its class if it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]
