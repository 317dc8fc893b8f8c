"""Derived index of a table: `index/<table>.parquet`, all rows of the table in one file and schema.

Beside each row stand path, size, time and digest of the file that it comes from. A reader believes
a row only while a listing of the store still shows that very file: an index that is lost, stale or
of another version costs time and nothing else, and anyone may delete or rebuild it. A row whose
file might still change under its time is in it for people, with the time 0: no reader believes it.
Whoever reads everything anyway writes it; of two writers the later one wins.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from sweep.store.compact_rows import column_values, compact_rows
from sweep.store.read_files import (
    BATCH_FILES,
    READ_ERRORS,
    ReadFile,
    read_files,
    side_by_side,
)
from sweep.store.schemas import SCHEMA_VERSION, SCHEMAS
from sweep.store.store import Store, StoredFile, StoreError
from sweep.store.tables import first_line, trial_table
from sweep.store.validation import RULES_VERSION
from sweep.store.vocabulary import Row

# The indexed tables, and the column by which their files are named.
INDEXED = {"trials": "trial_id", "sweeps": "sweep"}
FILE_COLUMNS = pa.schema(
    [
        ("file_path", pa.string()),
        ("file_size", pa.int64()),
        ("file_mtime_ns", pa.int64()),
        ("file_digest", pa.string()),
    ]
)
# Of what its rows have and keep to: with other versions they would have to be read anew.
VERSIONS = {"schema_version": str(SCHEMA_VERSION), "rules_version": str(RULES_VERSION)}
# An index is written again when this much of it is new.
NEW_SHARE = 0.05
NEW_FILES = 50


def index_path(table: str) -> str:
    return f"index/{table}.parquet"


def enough_new(new_files: int, files: int) -> bool:
    """Tells whether it is worth to write an index of `files` files again."""
    return new_files >= max(NEW_FILES, NEW_SHARE * files)


def encoded(table: str, files: Iterable[ReadFile]) -> bytes:
    """Bytes of the index of these files: the table's columns, then FILE_COLUMNS."""
    by_path = sorted(files, key=lambda read: read.file.path)
    pairs = [(read, row) for read in by_path for row in read.rows]
    arrays = [
        pa.array([row[field.name] for _, row in pairs], field.type) for field in SCHEMAS[table]
    ]
    origins = [_origin(read) for read, _ in pairs]
    arrays += [
        pa.array([origin[place] for origin in origins], field.type)
        for place, field in enumerate(FILE_COLUMNS)
    ]
    schema = pa.schema([*SCHEMAS[table], *FILE_COLUMNS], VERSIONS)
    sink = pa.BufferOutputStream()
    pq.write_table(
        pa.Table.from_arrays(arrays, schema=schema),
        sink,
        write_statistics=False,
        write_page_checksum=True,
    )
    return sink.getvalue().to_pybytes()


def _origin(read: ReadFile) -> tuple[str, int, int, str]:
    """Values of FILE_COLUMNS, with a time that no listing shows for what is not to be believed."""
    mtime_ns = read.file.mtime_ns if read.settled and read.problem is None else 0
    return read.file.path, read.file.size, mtime_ns, read.digest


def index_rows(table: str, content: bytes, names: Sequence[str] | None = None) -> pa.Table:
    """The rows of an index with the columns `names`, or all, and FILE_COLUMNS.

    Raises ValueError or an Arrow error for an index that is damaged or of another version.
    """
    parquet = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
    metadata = parquet.schema_arrow.metadata or {}
    if any(metadata.get(name.encode()) != text.encode() for name, text in VERSIONS.items()):
        raise ValueError("another version wrote it")
    columns = SCHEMAS[table].names if names is None else list(names)
    return parquet.read(columns=[*columns, *FILE_COLUMNS.names], use_threads=False)


def decoded(table: str, content: bytes, names: Sequence[str] | None = None) -> dict[str, ReadFile]:
    """The indexed files by path, their rows with the columns `names` or all.

    Raises ValueError or an Arrow error for an index that is damaged or of another version.
    """
    columns = SCHEMAS[table].names if names is None else list(names)
    stored = index_rows(table, content, columns)
    rows = compact_rows(stored.select(columns))
    origins = zip(*(column_values(stored, name) for name in FILE_COLUMNS.names), strict=True)
    files: dict[str, ReadFile] = {}
    for origin, pairs in itertools.groupby(zip(origins, rows, strict=True), lambda pair: pair[0]):
        path, size, mtime_ns, digest = origin
        file, own_rows = StoredFile(path, size, mtime_ns), [row for _, row in pairs]
        if any(row[INDEXED[table]] != file.key for row in own_rows):
            raise ValueError(f"{path} is not the file of its rows")
        files[path] = ReadFile(file, digest, own_rows)
    return files


def read_index(
    store: Store, table: str, names: Sequence[str] | None = None
) -> dict[str, ReadFile]:
    """The indexed files by path; none if the store has no index that can be used."""
    try:
        content = store.read(index_path(table))
        return {} if content is None else decoded(table, content, names)
    except READ_ERRORS:
        return {}


def read_by_index(
    store: Store, table: str, files: Sequence[StoredFile], names: Sequence[str] | None = None
) -> dict[str, ReadFile]:
    """Listed files of an indexed table by path, without those that were deleted since.

    Takes from the index what did not change, and reads the rest one by one; if that is much, it
    writes the index anew. `names` restricts the columns.
    """
    index = read_index(store, table, names)
    unchanged = _unchanged(index, files)
    others = [file for file in files if file.path not in unchanged]
    if not enough_new(len(others), len(files)):
        fresh = read_files(store, table, others, names)
        return unchanged | {read.file.path: read for read in fresh}
    if names is not None:
        index = read_index(store, table)  # of which all columns are needed
        unchanged = _unchanged(index, files)
    fresh = {read.file.path: read for read in read_files(store, table, others)}
    write(store, table, encoded(table, (index | fresh).values()))
    return unchanged | fresh


def trial_rows(
    store: Store, trial_ids: Iterable[str], names: Sequence[str] | None = None
) -> dict[str, Row]:
    """Stored rows of trials by id, of those that have one, which one listing tells; `names`
    restricts the columns. Raises StoreError, also for a file that is none of the store's."""
    ids = set(trial_ids)
    files = [file for file in store.list("trials") if file.key in ids] if ids else []
    return rows_of_trials(store, files, names)


def rows_of_trials(
    store: Store, listed: Iterable[StoredFile], names: Sequence[str] | None = None
) -> dict[str, Row]:
    """Rows by id of listed trials: of many the index gives those that did not change, and the
    rest is read side by side. Raises StoreError, also for a file that is none of the store's."""
    files = [file for file in listed if file.path.endswith(".parquet")]
    index = read_index(store, "trials", names) if len(files) >= NEW_FILES else {}
    rows: dict[str, Row] = {
        read.file.key: read.rows[0] for read in _unchanged(index, files).values()
    }
    changed_files = [file for file in files if file.key not in rows]
    for start in range(0, len(changed_files), BATCH_FILES):
        batch = changed_files[start : start + BATCH_FILES]
        contents = side_by_side(store, lambda file: store.read(file.path), batch)
        by_file = {f: raw for f, raw in zip(batch, contents, strict=True) if raw is not None}
        rows |= _read_rows(store, by_file, names)
    return rows


def _read_rows(
    store: Store, contents: Mapping[StoredFile, bytes], names: Sequence[str] | None
) -> dict[str, Row]:
    """Rows by id of trials' files. Raises StoreError that names the one that cannot be read."""
    try:
        tables = [trial_table(file.key, raw, names) for file, raw in contents.items()]
        rows = compact_rows(pa.concat_tables(tables)) if tables else []
    except READ_ERRORS as error:
        if len(contents) == 1:
            (file,) = contents
            problem = f"cannot read {file.path} in {store.place}: {first_line(error)}"
            raise StoreError(problem) from error
        each = [_read_rows(store, {file: raw}, names) for file, raw in contents.items()]
        return {trial_id: row for part in each for trial_id, row in part.items()}
    return {file.key: row for file, row in zip(contents, rows, strict=True)}


def refresh(store: Store) -> None:
    """Brings every index up to date, as far as the store can be read and written."""
    store = store.hasty()
    for table in INDEXED:
        with contextlib.suppress(OSError, pa.ArrowException):
            files = [file for file in store.list(table) if file.path.endswith(".parquet")]
            index = read_index(store, table)
            unchanged = _unchanged(index, files)
            if len(unchanged) < max(len(files), len(index)):
                others = [file for file in files if file.path not in unchanged]
                fresh = read_files(store, table, others)
                write(store, table, encoded(table, [*unchanged.values(), *fresh]))


def write(store: Store, table: str, content: bytes) -> bool:
    """Replaces the index; returns whether it could, as a store may be there to be read alone."""
    try:
        store.hasty().write(index_path(table), content)
    except OSError:
        return False
    return True


def _unchanged(index: Mapping[str, ReadFile], files: Iterable[StoredFile]) -> dict[str, ReadFile]:
    """Those of the indexed files that a listing shows as they were."""
    return {
        file.path: index[file.path]
        for file in files
        if file.path in index and index[file.path].file == file
    }
