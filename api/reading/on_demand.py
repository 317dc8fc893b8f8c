"""Reads curves, spectra and samples when a request needs them; the snapshot has none of them."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs

from api.reading.snapshot import log
from sweep.paper.scores import SCORE_TITLES
from sweep.store.store import Store, StoreError
from sweep.store.tables import first_line, parse, pylist
from sweep.store.vocabulary import Row
from trainer.config.lookup import UsageError

PNG_START, PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"


def stamp(store: Store, path: str) -> str:
    """Size and time of a file: changes when it is replaced. Empty if there is none."""
    info = store.fs.get_file_info(f"{store.base}/{path}")
    return f"{info.size}-{info.mtime_ns}" if info.type == pafs.FileType.File else ""


def table_path(table: str, trial_id: str) -> str:
    return f"{table}/{trial_id}.parquet"


def table_paths(records: Iterable[Row], *tables: str) -> list[str]:
    """The files of these tables, trial by trial."""
    return [table_path(table, row["trial_id"]) for row in records for table in tables]


def evaluations(store: Store, trial_id: str, keys: Sequence[str] | None = None) -> Sequence[Row]:
    """Rows of evaluations, oldest first; with the columns `keys` alone it is much faster.

    Raises StoreError if the file is not what it should be.
    """
    version = stamp(store, table_path("evaluations", trial_id))
    return _evaluations_at(store, trial_id, version, None if keys is None else tuple(keys))


# About 60 KB each when whole: the figures and tables of a page ask for the same one.
@functools.lru_cache(maxsize=512)
def _evaluations_at(
    store: Store, trial_id: str, _stamp: str, keys: tuple[str, ...] | None
) -> Sequence[Row]:
    column_names = None if keys is None else ["trial_id", "iteration", *keys]
    rows = _rows(store, "evaluations", trial_id, column_names)
    return sorted(rows, key=lambda row: row["iteration"])


def evaluations_or_none(store: Store, trial_id: str) -> Sequence[Row]:
    """Evaluations for a page: a file that cannot be read is logged and has no rows."""
    try:
        return evaluations(store, trial_id)
    except StoreError as error:
        log.warning("%s", error)
        return []


def distances_or_none(store: Store, trial_id: str) -> Sequence[Row]:
    """Iterations and distances, for a page of many trials: a file that cannot be read is logged
    and has no rows."""
    try:
        return _distances_at(store, trial_id, stamp(store, table_path("evaluations", trial_id)))
    except StoreError as error:
        log.warning("%s", error)
        return []


# About 12 KB each: without it Table II of a big store would read thousands of files each time.
@functools.lru_cache(maxsize=8192)
def _distances_at(store: Store, trial_id: str, _stamp: str) -> Sequence[Row]:
    column_names = ["trial_id", "iteration", *SCORE_TITLES]
    rows = _rows(store, "evaluations", trial_id, column_names)
    pairs = [{name: row[name] for name in column_names[1:]} for row in rows]
    return sorted(pairs, key=lambda row: row["iteration"])


def spectra(store: Store, trial_id: str, layer: int | None) -> list[dict[str, Any]]:
    """Rows of spectra by layer and iteration; of all layers if `layer` is None.

    Raises StoreError, and UsageError for a layer that the trial's discriminator does not have.
    """
    rows = _rows(store, "spectra", trial_id)
    of_layer = [row for row in rows if layer is None or row["layer"] == layer]
    if rows and not of_layer:
        last = max(row["layer"] for row in rows)
        raise UsageError(f"there is no layer {layer}: {trial_id} has layers 0 to {last}")
    return sorted(of_layer, key=lambda row: (row["layer"], row["iteration"]))


def outputs(
    store: Store, trial_id: str, images: str | None, quantity: str | None, iteration: int | None
) -> list[dict[str, Any]]:
    """Histograms, oldest first, of those that match what is not None. Raises StoreError."""
    criteria = {"images": images, "quantity": quantity, "iteration": iteration}
    criteria = {name: value for name, value in criteria.items() if value is not None}
    return [
        row
        for row in _rows(store, "outputs", trial_id)
        if all(row[name] == value for name, value in criteria.items())
    ]


def _rows(
    store: Store, table: str, trial_id: str, column_names: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    path = table_path(table, trial_id)
    try:
        raw = store.read(path)
        rows = [] if raw is None else pylist(parse(raw, table, column_names))
        if any(row["trial_id"] != trial_id for row in rows):
            raise ValueError("it holds rows of another trial")
    except (OSError, ValueError, NotImplementedError, pa.ArrowException) as error:
        raise StoreError(f"{path} cannot be read: {first_line(error)}") from error
    return rows


def sample_iterations(store: Store, trial_id: str) -> list[int]:
    """Iterations with a grid of images, ascending."""
    files = store.list(f"samples/{trial_id}")
    names = [PurePosixPath(file.path) for file in files]
    return sorted(int(n.stem) for n in names if n.suffix == ".png" and n.stem.isdecimal())


def sample_path(trial_id: str, iteration: int) -> str:
    return f"samples/{trial_id}/{iteration}.png"


def sample(store: Store, trial_id: str, iteration: int) -> bytes | None:
    """The grid as a PNG; None if there is none. Raises StoreError if the file is no whole PNG."""
    path = sample_path(trial_id, iteration)
    content = store.read(path)
    if content is not None and not (content.startswith(PNG_START) and content.endswith(PNG_END)):
        raise StoreError(f"{path} cannot be read: it is not a whole PNG")
    return content
