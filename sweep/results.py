"""The store: what is kept of a sweep, under which names, and how a file is replaced.

A leaf: pyarrow and the standard library. Under one root (a folder or an `s3://` URI):

    trials/<trial_id>.parquet            one row: configuration, status, verdict, scores, host
    evaluations/<trial_id>.parquet       one row per evaluation
    spectra/<trial_id>.parquet           one row per (iteration, layer)
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
- Schemas are explicit, units stand in the field metadata. A change is additive and nullable and
  raises SCHEMA_VERSION, which every file carries.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

SCHEMA_VERSION = 1

STATUSES = ("planned", "running", "completed", "collapsed", "failed", "stopped")
FINISHED = ("completed", "collapsed")


class StoreError(RuntimeError):
    """The store cannot be read or written; says where and why."""


def _field(name: str, kind: pa.DataType, says: str) -> pa.Field:
    return pa.field(name, kind, metadata={"says": says})


_STRING, _INT, _FLOAT = pa.string(), pa.int64(), pa.float64()
_TIME = pa.timestamp("us", tz="UTC")
_FLOATS = pa.list_(pa.float64())

# name, type, meaning: in `evaluations` as they are, in `trials` as best_<name> and final_<name>.
_SCORES = (
    ("n_samples", _INT, "generated images behind the scores"),
    ("inception_score", _FLOAT, "Inception Score, higher is better; null if not measured"),
    ("fid", _FLOAT, "Frechet Inception Distance, lower is better; null if not measured"),
    ("modes", _INT, "of 1000, among valid samples; digits profile"),
    ("reverse_kl", _FLOAT, "nats, of valid samples' modes from uniform; NaN if none is valid"),
    ("valid_share", _FLOAT, "0 to 1, samples that pass gate and confidence; digits profile"),
    ("fd_digits", _FLOAT, "Frechet distance of digit features, lower is better"),
    ("joint_class_score", _FLOAT, "1 to 1000, higher is better; digits profile"),
    ("modes_ungated", _INT, "of 1000, by every sample's most likely label"),
    ("reverse_kl_ungated", _FLOAT, "nats, of all samples' modes from uniform"),
)
SCORE_NAMES = tuple(name for name, _, _ in _SCORES)


def _prefixed(prefix: str, when: str) -> list[pa.Field]:
    fields = [_field(f"{prefix}_iteration", _INT, f"iteration {when}")]
    return fields + [_field(f"{prefix}_{name}", kind, says) for name, kind, says in _SCORES]


_IDENTITY = [
    _field("trial_id", _STRING, "what is run, by content"),
    _field("profile", _STRING, "paper or digits"),
    _field("setting", _STRING, "row of Table I"),
    _field("group", _STRING, "group of Table I, A to E"),
    _field("setting_batch_size", _INT, "images, as Table I has it"),
    _field("setting_channels", _INT, "CH, as Table I has it"),
    _field("batch_size", _INT, "real images per D update, as run"),
    _field("micro_batch", _INT, "images through D at once, as run"),
    _field("channels", _INT, "width of D, as run"),
    _field("dataset", _STRING, "images that were trained on"),
    _field("method", _STRING, "named preset"),
    _field("form", _STRING, "project, or null where no weight is overwritten"),
    _field("i_ratio", _FLOAT, "share of singular values lifted; null where none is"),
    _field("seed", _INT, ""),
    _field("iterations", _INT, "planned G updates"),
]

SCHEMAS: Mapping[str, pa.Schema] = {
    "trials": pa.schema([
        *_IDENTITY,
        _field("status", _STRING, "planned, running, completed, collapsed, failed, stopped"),
        _field("stop_reason", _STRING, "why a collapsed trial was stopped"),
        _field("mode_collapse_at", _INT, "iteration at which it began; null if not seen"),
        _field("spectral_collapse_at", _INT, "iteration at which it began; null if not seen"),
        _field("dead_at", _INT, "iteration at which D's outputs became constant"),
        _field("diverged_at", _INT, "iteration of the first evaluation that is not finite"),
        _field("verdict_rules", _STRING, "JSON: the rule behind each of these"),
        _field("iteration", _INT, "G updates done"),
        *_prefixed("best", "of the lowest FID (digits: FD-digits) before mode collapse"),
        *_prefixed("final", "at the end; scores at the protocol's full sample count"),
        _field("first_spectrum_left", _FLOAT, "mean sigma_2/sigma_1 of 3x3 layers, at the start"),
        _field("final_spectrum_left", _FLOAT, "mean sigma_2/sigma_1 of 3x3 layers, at the end"),
        _field("objective", _FLOAT, "finite: best distance, a penalty if none; lower is better"),
        _field("protocol", _STRING, "JSON: extractor, weights SHA-256, sample counts"),
        _field("config", _STRING, "JSON: everything that can change a number"),
        _field("thresholds", _STRING, "JSON: collapse thresholds in force"),
        _field("software", _STRING, "JSON: versions"),
        _field("host", _STRING, "where it last ran"),
        _field("attempt", _STRING, "id of the start that wrote this"),
        _field("seconds", _FLOAT, "s, training and evaluations of all attempts"),
        _field("started_at", _TIME, "UTC, first start"),
        _field("updated_at", _TIME, "UTC"),
        _field("traceback", _STRING, "of a failed trial"),
    ]),
    "evaluations": pa.schema([
        _field("trial_id", _STRING, ""),
        _field("iteration", _INT, "G updates done"),
        _field("seconds", _FLOAT, "s since the start, of all attempts"),
        _field("d_loss", _FLOAT, "hinge L_D, mean since the last evaluation; NaN at iteration 0"),
        _field("g_loss", _FLOAT, "hinge L_G, mean since the last evaluation; NaN at iteration 0"),
        _field("d_real", _FLOAT, "mean D(x) on 512 training images"),
        _field("d_fake", _FLOAT, "mean D(x) on 512 generated images"),
        _field("gap", _FLOAT, "d_real - d_fake"),
        _field("d_spread", _FLOAT, "standard deviation of D(x) over both"),
        *(_field(name, kind, says) for name, kind, says in _SCORES),
        _field("spectrum_left", _FLOAT, "mean sigma_2/sigma_1 of the 3x3 layers"),
        _field("sigma1", _FLOATS, "largest singular value of the raw weight, per layer"),
        _field("sigma2_ratio", _FLOATS, "sigma_2/sigma_1, per layer"),
        _field("mean_ratio", _FLOATS, "mean sigma/sigma_1, per layer"),
        _field("stable_rank", _FLOATS, "||W||_F^2/sigma_1^2, per layer"),
        _field("effective_rank", _FLOATS, "exp of the entropy of sigma/sum(sigma), per layer"),
        _field("finite", pa.bool_(), "losses and D(x) are finite"),
    ]),
    "spectra": pa.schema([
        _field("trial_id", _STRING, ""),
        _field("iteration", _INT, "G updates done"),
        _field("layer", _INT, "layer_0 .. layer_9 of the paper; 2 and 5 are the 1x1 shortcuts"),
        _field("singular_values", pa.list_(pa.float32()), "of W / sigma as D sees it, descending"),
    ]),
    "sweeps": pa.schema([
        _field("sweep", _STRING, "name of the sweep"),
        _field("position", _INT, "order in the plan, longest first"),
        _field("operations", _FLOAT, "multiply-adds of the whole trial"),
        *_IDENTITY,
    ]),
}  # fmt: skip


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
            if "://" in text:
                self.fs, base = pafs.FileSystem.from_uri(_one_put(text))
            else:
                self.fs, base = pafs.LocalFileSystem(), os.path.abspath(os.path.expanduser(text))
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
            _replace(full, content)
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
        return [] if stored is None else stored.to_pylist()

    def read_table(self, table: str, key: str) -> pa.Table | None:
        """The same as an Arrow table of the current schema: columns added since are null."""
        content = self.read(f"{table}/{key}.parquet")
        return None if content is None else parse(content, table)

    def read_all(self, table: str, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
        """The single row of each key that has a file."""
        found = {key: self.read_rows(table, key) for key in keys}
        return {key: rows[0] for key, rows in found.items() if rows}


def parse(content: bytes, table: str) -> pa.Table:
    """A stored file in the current schema. Raises an Arrow error or ValueError if it is none.

    One thread: a pool costs more than it saves on one row group, and a process that ends soon
    after Arrow has started one is now and then aborted by it.
    """
    return conform(pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False), table)


def conform(stored: pa.Table, table: str) -> pa.Table:
    """The stored table in the current schema. Raises ValueError if it is not such a table."""
    schema = SCHEMAS[table]
    if stored.schema.equals(schema):
        return stored
    arrays = [
        stored.column(field.name).cast(field.type)
        if field.name in stored.column_names
        else pa.nulls(len(stored), field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _one_put(uri: str) -> str:
    """The URI with what makes S3 take a small file by one put instead of a multipart upload."""
    if not uri.startswith("s3://") or "allow_delayed_open" in uri:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}allow_delayed_open=true"


def default_root() -> str:
    """`SWEEP_RESULTS`, else ./results."""
    return os.environ.get("SWEEP_RESULTS") or "results"


def _replace(path: str, content: bytes) -> None:
    """Temporary file beside it, fsync, rename, fsync of the folder."""
    folder, name = os.path.split(path)
    os.makedirs(folder, exist_ok=True)
    temporary = f"{folder}/.{name}.{os.getpid()}.tmp"
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
