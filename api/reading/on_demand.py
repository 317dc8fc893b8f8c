"""Reads curves, spectra and samples when a request needs them; the snapshot has none of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any, TypeVar

import pyarrow.fs as pafs

from api.reading.memo import memoise_by_weight
from api.reading.snapshot import log
from sweep.store.read_files import READ_ERRORS, readers
from sweep.store.store import Store, StoreError
from sweep.store.tables import first_line, parse, pylist
from sweep.store.validation import valid_rows
from sweep.store.vocabulary import Row
from trainer.config.lookup import UsageError

PNG_START, PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
ENDING = ".parquet"
OTHER_TRIAL = "it holds rows of another trial"
# Evaluations in memory: whole ones of 75 trials with 50 each, twice what a page asks for.
EVALUATION_BYTES = 16 * 2**20

T = TypeVar("T")
R = TypeVar("R")


def side_by_side(store: Store, read: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """The result of `read` for each item, several at a time as the store is fast with.

    Raises what `read` raises, of the first item for which it does.
    """
    threads = min(readers(store), len(items))
    if threads < 2:
        return [read(item) for item in items]
    with ThreadPoolExecutor(threads, "reading") as pool:
        return list(pool.map(read, items))


def stamp(store: Store, path: str) -> str:
    """Size and time of a file: changes when it is replaced. Empty if there is none."""
    info = store.fs.get_file_info(f"{store.base}/{path}")
    return f"{info.size}-{info.mtime_ns}" if info.type == pafs.FileType.File else ""


def table_path(table: str, trial_id: str) -> str:
    return f"{table}/{trial_id}{ENDING}"


def trial_id_of(path: str) -> str:
    """The trial whose file of a table this is."""
    return path.rpartition("/")[2].removesuffix(ENDING)


def table_paths(records: Iterable[Row], *tables: str) -> list[str]:
    """The files of these tables, trial by trial."""
    return [table_path(table, row["trial_id"]) for row in records for table in tables]


def evaluations(
    store: Store, trial_id: str, keys: Sequence[str] | None = None, version: str | None = None
) -> Sequence[Row]:
    """Rows of evaluations, oldest first; with the columns `keys` alone it is much faster.

    `version` is the file's as far as it is known, else the store is asked for it. Raises
    StoreError if the file is not what it should be.
    """
    if version is None:
        version = stamp(store, table_path("evaluations", trial_id))
    if not version:
        return []
    return _evaluations_at(store, trial_id, version, None if keys is None else tuple(keys))


def _weight(rows: Sequence[Row]) -> int:
    """About the memory of such rows in B: 35 for a column, 32 for each number, as measured."""
    if not rows:
        return 0
    numbers = sum(len(v) if isinstance(v, list) else 1 for v in rows[-1].values())
    return len(rows) * (32 * numbers + 35 * len(rows[-1]))


# The figures and tables of a page ask for the same one.
@memoise_by_weight(EVALUATION_BYTES, _weight)
def _evaluations_at(
    store: Store, trial_id: str, version: str, keys: tuple[str, ...] | None
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
    with explained_failure(table_path(table, trial_id)):
        raw = store.read(table_path(table, trial_id))
        rows = [] if raw is None else pylist(parse(raw, table, column_names))
        if any(row["trial_id"] != trial_id for row in rows):
            raise ValueError(OTHER_TRIAL)
        valid, problem = valid_rows(table, rows)
        if problem is not None:
            log.warning("%s: %s", table_path(table, trial_id), problem)
        return valid


@contextmanager
def explained_failure(path: str) -> Iterator[None]:
    """Raises StoreError, which names the file, for whatever a file that is none makes fail."""
    try:
        yield
    except READ_ERRORS as error:
        failure = StoreError(f"{path} cannot be read: {first_line(error)}")
        failure.errno = getattr(error, "errno", None)
        raise failure from error


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
