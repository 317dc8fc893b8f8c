"""Reads whole files of `trials` and `sweeps`, each with its rows or with what is wrong with it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import pyarrow as pa

from sweep.store.compact_rows import CompactRow
from sweep.store.store import Store, StoredFile
from sweep.store.tables import first_line, plan_of, rows_by_key, trial_table

# Files whose tables are in memory at once, and are made into rows together.
BATCH_FILES = 512
# A bucket answers in tens of milliseconds, so files are asked for side by side. A folder answers
# at once, and more threads than two only wait for each other.
BUCKET_READERS, FOLDER_READERS = 8, 2
# What reading a file that is none of the store's, or no more, is known to raise.
READ_ERRORS = (
    OSError, ArithmeticError, KeyError, TypeError, ValueError, NotImplementedError,
    pa.ArrowException,
)  # fmt: skip

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file as it was read: the SHA-256 of its content (hexadecimal) and its valid rows.

    `problem` says why there are none, or why others are left out; None if all are here. Not
    `settled`: it was so young that it may have changed again under the same time.
    """

    file: StoredFile
    digest: str
    rows: Sequence[CompactRow] = ()
    problem: str | None = None
    settled: bool = True


def side_by_side(store: Store, read: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """The result of `read` for each item, several at a time as the store is fast with.

    Raises what `read` raises, of the first item for which it does.
    """
    threads = min(FOLDER_READERS if store.is_local else BUCKET_READERS, len(items))
    if threads < 2:
        return [read(item) for item in items]
    with ThreadPoolExecutor(threads, "reading") as pool:
        return list(pool.map(read, items))


def read_files(
    store: Store, table: str, files: Sequence[StoredFile], names: Sequence[str] | None = None
) -> Iterator[ReadFile]:
    """Reads each file of `trials`, of which with the columns `names` or all, or of `sweeps`.

    Files are read side by side. One that was deleted since it was listed is left out. Once a file
    could not be read for all the store's patience, the others are tried once each.
    """
    patient = _Patience(store)

    def read_trial(file: StoredFile) -> _Part[pa.Table] | None:
        return _read(patient, file, lambda raw: trial_table(file.key, raw, names))

    def read_plan(file: StoredFile) -> _Part[tuple[list[CompactRow], str | None]] | None:
        return _read(patient, file, lambda raw: plan_of(file.key, raw))

    for start in range(0, len(files), BATCH_FILES):
        batch = files[start : start + BATCH_FILES]
        if table == "trials":
            parts = side_by_side(store, read_trial, batch)
            yield from _with_rows([part for part in parts if part is not None])
        else:
            for part in side_by_side(store, read_plan, batch):
                if part is not None:
                    rows, problem = part.content or ((), part.read.problem)
                    yield replace(part.read, rows=rows, problem=problem)


class _Patience:
    """Reads from a store, patiently until it was once in vain."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def read(self, path: str) -> bytes | None:
        try:
            return self.store.read(path)
        except OSError:
            self.store = self.store.hasty()
            raise


@dataclass(frozen=True, slots=True)
class _Part(Generic[T]):
    """A file without its rows yet, and what it holds; None if that cannot be read."""

    read: ReadFile
    content: T | None


def _read(patient: _Patience, file: StoredFile, parse: Callable[[bytes], T]) -> _Part[T] | None:
    """Reads and parses a file; None if there is none any more."""
    settled, digest = file.is_settled(), ""
    try:
        raw = patient.read(file.path)
        if raw is None:
            return None
        digest = hashlib.sha256(raw).hexdigest()
        return _Part(ReadFile(file, digest, settled=settled), parse(raw))
    except READ_ERRORS as error:
        problem = first_line(error)
        return _Part(ReadFile(file, digest, problem=problem, settled=settled), None)


def _with_rows(parts: Sequence[_Part[pa.Table]]) -> Iterator[ReadFile]:
    tables = {part.read.file.path: part.content for part in parts if part.content is not None}
    rows, problems = rows_by_key(tables)
    for part in parts:
        path = part.read.file.path
        if path in rows:
            yield replace(part.read, rows=(rows[path],))
        else:
            yield replace(part.read, problem=problems.get(path, part.read.problem))
