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

The contract:
- A file is named by its key and replaced whole, so a row written twice is the same row. A reader
  sees the old file or the new one, never a part: locally a temporary file, fsync and rename; in an
  object store one put of bytes that were complete before it began.
- A trial writes its own files, rows before checkpoint; the driver writes plan and heartbeat.
- Schemas (sweep/schemas.py) are explicit, and every file carries SCHEMA_VERSION.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from sweep.roots import open_root, replace
from sweep.schemas import SCHEMA_VERSION, SCHEMAS

STATUSES = ("planned", "running", "completed", "collapsed", "failed", "stopped")
FINISHED = ("completed", "collapsed")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class StoreError(RuntimeError):
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

    def __init__(self, root: str | Path) -> None:
        """`root` is a folder or a URI. Raises StoreError if it is neither; creates nothing."""
        text = str(root)
        try:
            self.fs, base = open_root(text)
        except (pa.ArrowInvalid, OSError) as error:
            raise StoreError(f"cannot open results at {text}: {error}") from error
        self.base = base.rstrip("/")
        self.root = text if "://" in text else self.base
        self.is_local = isinstance(self.fs, pafs.LocalFileSystem)

    def __reduce__(self) -> tuple[type[Store], tuple[str]]:
        return Store, (self.root,)

    def write(self, path: str, content: bytes) -> None:
        """Replaces the file as a whole."""
        full = f"{self.base}/{path}"
        if self.is_local:
            replace(full, content)
        else:
            with self.fs.open_output_stream(full) as stream:
                stream.write(content)

    def read(self, path: str) -> bytes | None:
        """The file's bytes; None if there is none."""
        try:
            with self.fs.open_input_file(f"{self.base}/{path}") as stream:
                return stream.read()
        except FileNotFoundError:
            return None

    def delete(self, path: str) -> None:
        """Removes the file if it is there."""
        if self.fs.get_file_info(f"{self.base}/{path}").type == pafs.FileType.File:
            self.fs.delete_file(f"{self.base}/{path}")

    def list(self, folder: str) -> list[StoredFile]:
        """The finished files of a folder, by name; none if there is no such folder."""
        selector = pafs.FileSelector(f"{self.base}/{folder}", allow_not_found=True)
        infos = self.fs.get_file_info(selector)
        return sorted(
            (
                StoredFile(f"{folder}/{info.base_name}", info.size, info.mtime_ns or 0)
                for info in infos
                if info.type == pafs.FileType.File and not info.base_name.startswith(".")
            ),
            key=lambda file: file.path,
        )

    def check_writable(self) -> None:
        """Writes and removes a probe. Raises StoreError with the reason if it cannot."""
        try:
            self.write(".writable", b"")
            self.delete(".writable")
        except OSError as error:
            raise StoreError(f"cannot write results to {self.root}: {error}") from error

    def write_rows(self, table: str, key: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Replaces the table's file of that key."""
        sink = pa.BufferOutputStream()
        pq.write_table(columns(table, rows), sink)
        self.write(f"{table}/{key}.parquet", sink.getvalue().to_pybytes())

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
        found = {key: self.read_rows(table, key) for key in keys}
        return {key: rows[0] for key, rows in found.items() if rows}


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


def default_root() -> str:
    """`SWEEP_RESULTS`, else ./results."""
    return os.environ.get("SWEEP_RESULTS") or "results"
