"""The store's tables as DuckDB reads them: plans and trials at once, curves file by file."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads

from sweep.store.index import INDEXED
from sweep.store.indexed_table import indexed_table
from sweep.store.read_files import READ_ERRORS, side_by_side
from sweep.store.schemas import SCHEMAS
from sweep.store.store import Store, StoredFile
from sweep.store.tables import first_line, parse

# Files whose rows are in memory at once; between two lots an answer can be given up.
FILES_AT_ONCE = 64
OTHER_TRIAL = "it holds rows of another trial"


@dataclass(frozen=True, slots=True)
class Source:
    """A table that DuckDB scans, and by path why a file is left out, which a scan adds to."""

    content: pa.Table | pads.Dataset
    left_out: dict[str, str] = field(default_factory=dict)


def source(store: Store, table: str) -> Source:
    """Opens a table of the store for any number of scans. Raises StoreError.

    `trials` and `sweeps` are read now, through the index; of the others only those files are read
    that a condition on `trial_id` leaves, when a statement is run, and of them its columns.
    """
    if table in INDEXED:
        return Source(*indexed_table(store, table))
    files = {file.key: file for file in store.list(table) if file.path.endswith(".parquet")}
    curves = Curves(store, table, files)
    return Source(curves.dataset(), curves.left_out)


@dataclass(frozen=True, slots=True)
class Curves:
    """The files of a table by trial, each of one trial's rows."""

    store: Store
    table: str
    files: Mapping[str, StoredFile]
    left_out: dict[str, str] = field(default_factory=dict)

    def dataset(self) -> pads.Dataset:
        """The files as a dataset whose scans `read` them; a condition chooses among them."""
        parquet, trial_id = pads.ParquetFileFormat(), pc.field("trial_id")
        fragments = [
            parquet.make_fragment(
                f"{self.store.base}/{file.path}", self.store.fs, partition_expression=trial_id == k
            )
            for k, file in self.files.items()
        ]
        schema = pa.schema(list(SCHEMAS[self.table]))
        dataset = _Files(fragments, schema, parquet, self.store.fs)
        dataset.curves = self
        return dataset

    def read(self, keys: Sequence[str], columns: Sequence[str] | None) -> Iterator[pa.Table]:
        """Yields the rows of these trials, some files at a time, with the columns or all."""
        # With the one by which a file shows that it is its trial's.
        names = None if columns is None else list(dict.fromkeys(["trial_id", *columns]))
        for start in range(0, len(keys), FILES_AT_ONCE):
            lot = [self.files[key] for key in keys[start : start + FILES_AT_ONCE]]
            parts = side_by_side(self.store, functools.partial(self._rows, names), lot)
            if tables := [part for part in parts if part is not None]:
                yield pa.concat_tables(tables)

    def _rows(self, names: list[str] | None, file: StoredFile) -> pa.Table | None:
        """The rows of a file; None if it is gone, or is left out."""
        try:
            content = self.store.read(file.path)
            if content is None:
                return None
            rows = parse(content, self.table, names)
            if any(trial_id != file.key for trial_id in rows["trial_id"].unique().to_pylist()):
                raise ValueError(OTHER_TRIAL)
        except READ_ERRORS as error:
            self.left_out[file.path] = first_line(error)
            return None
        return rows.replace_schema_metadata(None)


class _Files(pads.FileSystemDataset):
    """A dataset that DuckDB can scan, read as the store's own readers read it.

    Arrow's own scan fails for one damaged file, keeps 2 GiB of footers of ten thousand files, and
    does not look again at an object that is replaced meanwhile.
    """

    curves: Curves

    def scanner(self, columns: list[str] | None = None, filter: Any = None, **_: Any) -> Any:
        names = self.schema.names if columns is None else columns
        paths = (fragment.path for fragment in self.get_fragments(filter))
        keys = [path.rpartition("/")[2].removesuffix(".parquet") for path in paths]
        return _Scan(self.curves, keys, pa.schema(map(self.schema.field, names)), filter)


@dataclass(frozen=True, slots=True)
class _Scan:
    """One scan of a dataset, as far as DuckDB knows it: `filter` is to be applied here."""

    curves: Curves
    keys: Sequence[str]
    projected_schema: pa.Schema
    filter: Any

    def to_reader(self) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(self.projected_schema, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        names = self.projected_schema.names
        for table in self.curves.read(self.keys, [*names, *self._compared()]):
            rows = table if self.filter is None else table.filter(self.filter)
            yield from rows.select(names).to_batches()

    def _compared(self) -> list[str]:
        """The columns of the condition, which DuckDB does not ask for; others do no harm."""
        words = set(re.findall(r"\w+", "" if self.filter is None else str(self.filter)))
        return [name for name in SCHEMAS[self.curves.table].names if name in words]
