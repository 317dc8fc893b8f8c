"""Reads curves, spectra and samples when a request needs them; the snapshot has none of them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs

from api.reading.memo import memoise_by_weight
from api.reading.snapshot import log
from sweep.store.read_files import READ_ERRORS, side_by_side
from sweep.store.store import Store, StoreError
from sweep.store.tables import first_line, parse, pylist
from sweep.store.validation import left_out, row_problems, valid_rows
from sweep.store.vocabulary import Row
from trainer.config.lookup import UsageError

PNG_START, PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
ENDING = ".parquet"
OTHER_TRIAL = "it holds rows of another trial"
# Evaluations in memory: whole ones of 75 trials with 50 each, twice what a page asks for.
EVALUATION_BYTES = 8 * 2**20


def stamp(store: Store, path: str) -> str:
    """Size and time of a file: changes when it is replaced. Empty if there is none."""
    return _stamp(store.fs.get_file_info(f"{store.base}/{path}"))


def stamps(store: Store, paths: Sequence[str]) -> list[str]:
    """The stamp of each file; those of a folder's files by one call."""
    if store.is_local:
        return [_stamp(i) for i in store.fs.get_file_info([f"{store.base}/{p}" for p in paths])]
    return side_by_side(store, functools.partial(stamp, store), paths)


def _stamp(info: pafs.FileInfo) -> str:
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


# A spectrum without its stable ranks: one per iteration of training, and in no picture.
SPECTRUM = ("trial_id", "layer", "iteration", "singular_values")
# Layer and iteration of a spectrum.
Moment = tuple[int, int]


def spectra(
    store: Store, trial_id: str, layer: int | None, column_names: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """Rows of spectra by layer and iteration; of all layers if `layer` is None.

    Raises StoreError, and UsageError for a layer that the trial's discriminator does not have.
    """

    def of_layer(moments: Sequence[Moment]) -> set[Moment]:
        chosen = {moment for moment in moments if layer in (None, moment[0])}
        if moments and not chosen:
            last = max(moments)[0]
            raise UsageError(f"there is no layer {layer}: {trial_id} has layers 0 to {last}")
        return chosen

    return chosen_spectra(store, trial_id, of_layer, column_names)


def chosen_spectra(
    store: Store,
    trial_id: str,
    choose: Callable[[Sequence[Moment]], Container[Moment]],
    column_names: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """Rows of the spectra that are chosen of all (layer, iteration), in that order.

    The others never become Python's, which takes most of the time. Raises StoreError, and what
    `choose` raises.
    """
    path = table_path("spectra", trial_id)
    with explained_failure(path):
        raw = store.read(path)
        if raw is None:
            return []
        stored = parse(raw, "spectra", column_names)
        _check_trial(stored["trial_id"].unique().to_pylist(), trial_id)
        moments = _moments(path, stored)
    chosen = choose(list(moments.values()))
    order = [place for place, moment in moments.items() if moment in chosen]
    with explained_failure(path):
        return pylist(stored.take(sorted(order, key=moments.__getitem__)))


def _moments(path: str, stored: pa.Table) -> dict[int, Moment]:
    """Layer and iteration of each row by its place, of those that break no rule."""
    layers, iterations = stored["layer"].to_pylist(), stored["iteration"].to_pylist()
    pairs = list(zip(layers, iterations, strict=True))
    problems = row_problems("spectra", [{"layer": k, "iteration": n} for k, n in pairs])
    if sentence := left_out(problems, len(pairs)):
        log.warning("%s: %s", path, sentence)
    return {place: pair for place, pair in enumerate(pairs) if place + 1 not in problems}


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
        _check_trial((row["trial_id"] for row in rows), trial_id)
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


def _check_trial(ids: Iterable[str], trial_id: str) -> None:
    if any(other != trial_id for other in ids):
        raise ValueError(OTHER_TRIAL)


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
