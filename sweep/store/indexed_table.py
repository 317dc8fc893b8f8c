"""A whole indexed table as Arrow has it: what did not change never becomes rows of Python."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from sweep.store.compact_rows import column_values
from sweep.store.index import (
    FILE_COLUMNS,
    enough_new,
    index_path,
    index_rows,
    read_by_index,
)
from sweep.store.read_files import READ_ERRORS, ReadFile, read_files
from sweep.store.schemas import SCHEMAS
from sweep.store.store import Store, StoredFile
from sweep.store.tables import columns


def indexed_table(store: Store, table: str) -> tuple[pa.Table, dict[str, str]]:
    """All valid rows of `trials` or `sweeps`, and by path why others are left out.

    Writes the index anew where much is not in it. Raises StoreError if the store cannot be listed.
    """
    files = [file for file in store.list(table) if file.path.endswith(".parquet")]
    believed = _believed(store, table, files)
    paths = set(believed["file_path"].to_pylist())
    others = [file for file in files if file.path not in paths]
    if enough_new(len(others), len(files)):
        believed = believed.slice(0, 0)
        read: Iterable[ReadFile] = read_by_index(store, table, files).values()
    else:
        read = read_files(store, table, others)
    rows, left_out = [], {}
    for part in read:
        rows += part.rows
        if part.problem is not None:
            left_out[part.file.path] = part.problem
    parts = [believed.drop_columns(FILE_COLUMNS.names), columns(table, rows)]
    return pa.concat_tables([part.replace_schema_metadata(None) for part in parts]), left_out


def _believed(store: Store, table: str, files: Sequence[StoredFile]) -> pa.Table:
    """The rows of the index whose files a listing shows as they were, with FILE_COLUMNS."""
    stored = _stored_index(store, table)
    listed = {(file.path, file.size, file.mtime_ns) for file in files}
    names = ("file_path", "file_size", "file_mtime_ns")
    origins = zip(*(column_values(stored, name) for name in names), strict=True)
    return stored.filter(pa.array([origin in listed for origin in origins], pa.bool_()))


def _stored_index(store: Store, table: str) -> pa.Table:
    try:
        content = store.read(index_path(table))
        if content is not None:
            return index_rows(table, content)
    except READ_ERRORS:  # it is derived: without it everything is read
        pass
    return pa.schema([*SCHEMAS[table], *FILE_COLUMNS]).empty_table()
