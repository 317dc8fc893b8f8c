"""The store: what is kept of a sweep, under which names, and how a file is replaced.

A leaf: pyarrow and the standard library. Under one root (a folder or an `s3://` URI):

    trials/<trial_id>.parquet            one row: configuration, status, verdict, scores, host
    evaluations/<trial_id>.parquet       one row per evaluation
    spectra/<trial_id>.parquet           one row per (iteration, layer)
    outputs/<trial_id>.parquet           histograms of D's outputs
    samples/<trial_id>/<iteration>.png   images of fixed latent vectors
    checkpoints/<trial_id>/<iteration>.pt
    claims/<trial_id>.json               who writes the trial's files (sweep/claims.py)
    sweeps/<sweep>.parquet               the plan, one row per trial
    sweeps/<sweep>.json                  the driver's heartbeat
    sweeps/<sweep>.control.json, .study.json   what is asked of it; what a search has found

The contract:
- A file is named by its key and replaced whole, so a row written twice is the same row. A reader
  sees the old file or the new one, never a part: locally a temporary file, fsync and rename; in an
  object store one put of bytes that were complete before it began, and a look at what was got.
- A trial writes its own files, rows before checkpoint; the driver writes plan and heartbeat.
- A store with patience waits out what passes by itself (sweep/patience.py); without, as readers
  have it, every failure is a StoreError at once.
- Schemas (sweep/schemas.py) are explicit, and every file carries SCHEMA_VERSION.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from sweep.patience import FULL, T, patiently, trouble
from sweep.reader import open as open
from sweep.roots import open_root, read_object, replace, without_secrets
from sweep.schemas import SCHEMA_VERSION, SCHEMAS
from sweep.tables import parquet_of, pylist

STATUSES = ("planned", "running", "completed", "collapsed", "failed", "stopped")
FINISHED = ("completed", "collapsed")
# Tables of few rows or of numbers that never repeat: dictionaries and statistics would make up a
# third of such a file, and a fifth of the time to read it.
MEASURED = ("trials", "evaluations", "spectra")


class StoreError(OSError):
    """The store cannot be read or written; says where and why."""


def columns(table: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows as an Arrow table of the stored schema: a missing key is null, an unknown raises."""
    schema = SCHEMAS[table]
    unknown = {key for row in rows for key in row} - set(schema.names)
    if unknown:
        raise KeyError(f"not in the schema of {table}: {', '.join(sorted(unknown))}")
    stamped = schema.with_metadata({"schema_version": str(SCHEMA_VERSION)})
    return pa.Table.from_pylist([dict(row) for row in rows], schema=stamped)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of the store as a listing shows it: `path` from the root, `mtime_ns` of Unix time."""

    path: str
    size: int
    mtime_ns: int

    @property
    def key(self) -> str:
        return Path(self.path).stem


class Store:
    """Files under one root, through pyarrow.fs. Paths are relative, with forward slashes."""

    def __init__(self, root: str | Path, patience: float = 0.0) -> None:
        """`root` is a folder or a URI, else StoreError; `patience` in s. Creates nothing."""
        text = str(root)
        self.patience = patience
        self.place = without_secrets(text)
        try:
            self.fs, base = self.patiently(lambda: open_root(text))
        except (pa.ArrowInvalid, OSError) as error:
            raise StoreError(f"cannot open results at {self.place}: {error}") from error
        self.base = base.rstrip("/")
        self.root = text if "://" in text else self.base
        self.place = self.place if "://" in text else self.base
        self.is_local = isinstance(self.fs, pafs.LocalFileSystem)

    def __reduce__(self) -> tuple[type[Store], tuple[str, float]]:
        return Store, (self.root, self.patience)

    def patiently(self, action: Callable[[], T]) -> T:
        """What `action` returns, once what passes by itself no longer makes it fail."""
        return patiently(action, self.place, self.patience)

    def hasty(self) -> Store:
        """The same store without patience: for what has to be tried again as a whole."""
        other = copy(self)
        other.patience = 0.0
        return other

    def write(self, path: str, content: bytes) -> None:
        """Replaces the file as a whole."""
        full = f"{self.base}/{path}"

        def put() -> None:
            if self.is_local:
                replace(full, content)
                return
            with self.fs.open_output_stream(full) as stream:
                stream.write(content)

        self._try(f"write {path}, {len(content)} bytes,", put)

    def read(self, path: str) -> bytes | None:
        """The file's bytes; None if there is none."""

        full = f"{self.base}/{path}"

        def get() -> bytes | None:
            try:
                if not self.is_local:
                    return read_object(self.fs, full)
                with self.fs.open_input_file(full) as stream:
                    return stream.read()
            except FileNotFoundError:
                return None

        return self._try(f"read {path}", get)

    def delete(self, path: str) -> None:
        """Removes the file if it is there."""
        full = f"{self.base}/{path}"

        def remove() -> None:
            if self.fs.get_file_info(full).type == pafs.FileType.File:
                self.fs.delete_file(full)

        self._try(f"remove {path}", remove)

    def list(self, folder: str) -> list[StoredFile]:
        """The finished files of a folder, by name; none if there is no such folder."""
        selector = pafs.FileSelector(f"{self.base}/{folder}", allow_not_found=True)
        infos = self._try(f"list {folder}", lambda: self.fs.get_file_info(selector))
        return sorted(
            (
                StoredFile(f"{folder}/{info.base_name}", info.size, info.mtime_ns or 0)
                for info in infos
                if info.type == pafs.FileType.File and not info.base_name.startswith(".")
            ),
            key=lambda file: file.path,
        )

    def check_writable(self) -> None:
        """Writes, reads, lists and removes a probe, at once. Raises StoreError with the reason."""
        hasty = self.hasty()
        try:
            hasty.write(".writable", b"")
            hasty.read(".writable")
            hasty.list("trials")
            hasty.delete(".writable")
        except StoreError as error:
            reason = error.__cause__ or error
            raise StoreError(f"cannot write results to {self.place}: {reason}") from error

    def _try(self, what: str, action: Callable[[], T]) -> T:
        def once() -> T:
            try:
                return action()
            except OSError as error:
                room = ""
                if os.path.isdir(self.base) and trouble(error) == FULL:
                    room = f" ({shutil.disk_usage(self.base).free} bytes are free)"
                failed = StoreError(f"cannot {what} in {self.place}: {error}{room}")
                failed.errno = error.errno
                raise failed from error

        return self.patiently(once)

    def write_rows(self, table: str, key: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Replaces the table's file of that key."""
        self.write(f"{table}/{key}.parquet", file_of(table, columns(table, rows)))

    def read_rows(self, table: str, key: str) -> list[dict[str, Any]]:
        """The rows of the table's file of that key; none if there is no such file."""
        stored = self.read_table(table, key)
        return [] if stored is None else pylist(stored)

    def read_table(self, table: str, key: str) -> pa.Table | None:
        """The same as an Arrow table of the current schema: columns added since are null."""
        content = self.read(f"{table}/{key}.parquet")
        return None if content is None else parse(content, table)

    def read_all(self, table: str, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
        """The single row of each key that has a file."""
        found = {key: self.read_table(table, key) for key in keys}
        tables = {key: stored.slice(0, 1) for key, stored in found.items() if stored}
        rows, unreadable = rows_by_key(tables)
        for error in unreadable.values():
            raise error
        return rows


def file_of(table: str, rows: pa.Table) -> bytes:
    """The bytes of a stored file."""
    return parquet_of(rows, packed=table not in MEASURED)


def parse(content: bytes, table: str, only: Sequence[str] | None = None) -> pa.Table:
    """A stored file in the current schema, or of it the columns `only`, which is much faster.

    Raises an Arrow error or ValueError if it is no such file. One thread: a pool costs more than
    it saves on one row group, and a process that ends soon after Arrow has started one is now
    and then aborted by it.
    """
    file = pq.ParquetFile(pa.BufferReader(content))
    names = None if only is None else list(only)
    return conform(file.read(columns=names, use_threads=False), table, only)


def conform(stored: pa.Table, table: str, only: Sequence[str] | None = None) -> pa.Table:
    """The stored table in the current schema. Raises ValueError if it is not such a table."""
    schema = SCHEMAS[table]
    if only is not None:
        schema = pa.schema([schema.field(name) for name in only])
    if stored.schema.equals(schema):
        return stored
    held = dict(zip(stored.column_names, stored.columns, strict=True))
    arrays = [
        held[field.name].cast(field.type)
        if field.name in held
        else pa.nulls(len(stored), field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def trial_table(key: str, content: bytes, only: Sequence[str] | None = None) -> pa.Table:
    """A stored trial as `parse` reads it; `only` holds the id. Raises ValueError for another."""
    stored = parse(content, "trials", only)
    if stored["trial_id"].to_pylist() != [key]:
        raise ValueError("does not hold the one row of the trial that it is named after")
    return stored


def plan_of(key: str, content: bytes) -> list[dict[str, Any]]:
    """A stored plan in its order. Raises ValueError if it is that of another sweep."""
    rows = pylist(parse(content, "sweeps"))
    if any(row["sweep"] != key or not row["trial_id"] for row in rows):
        raise ValueError("is not the plan of the sweep that it is named after")
    return sorted(rows, key=lambda row: row["position"])


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


def first_line(error: BaseException) -> str:
    """Of its message, or its kind if it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def default_root() -> str:
    """`SWEEP_RESULTS`, else ./results."""
    return os.environ.get("SWEEP_RESULTS") or "results"
