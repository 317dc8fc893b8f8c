"""Reads whole files of `trials` and `sweeps`, each with its rows or with what is wrong with it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

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
ERRORS = (OSError, ArithmeticError, KeyError, TypeError, ValueError, NotImplementedError)
READ_ERRORS = (*ERRORS, pa.ArrowException)


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file as it was read: the SHA-256 of its content (hexadecimal) and its valid rows.

    `problem` says why there are none, or why others are left out; None if all are here.
    """

    file: StoredFile
    digest: str
    rows: Sequence[CompactRow]
    problem: str | None = None


def readers(store: Store) -> int:
    """How many files of the store to read side by side."""
    return FOLDER_READERS if store.is_local else BUCKET_READERS


def read_files(
    store: Store, table: str, files: Sequence[StoredFile], names: Sequence[str] | None = None
) -> Iterator[ReadFile]:
    """Reads each file of `trials`, of which with the columns `names` or all, or of `sweeps`.

    Files are read side by side. One that was deleted since it was listed is left out. Once a file
    could not be read for all the store's patience, the others are tried once each.
    """
    patient = _Patience(store)
    with ThreadPoolExecutor(readers(store)) as pool:
        for start in range(0, len(files), BATCH_FILES):
            batch = files[start : start + BATCH_FILES]
            if table == "trials":
                parts = pool.map(lambda file: _read_trial(patient, file, names), batch)
                yield from _with_rows([part for part in parts if part is not None])
            else:
                parts = pool.map(lambda file: _read_plan(patient, file), batch)
                yield from (part for part in parts if part is not None)


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


def _read_trial(
    patient: _Patience, file: StoredFile, names: Sequence[str] | None
) -> tuple[ReadFile, pa.Table | None] | None:
    digest = ""
    try:
        raw = patient.read(file.path)
        if raw is None:
            return None
        digest = hashlib.sha256(raw).hexdigest()
        return ReadFile(file, digest, ()), trial_table(file.key, raw, names)
    except READ_ERRORS as error:
        return ReadFile(file, digest, (), first_line(error)), None


def _with_rows(parts: Sequence[tuple[ReadFile, pa.Table | None]]) -> Iterator[ReadFile]:
    tables = {read.file.path: table for read, table in parts if table is not None}
    rows, problems = rows_by_key(tables)
    for read, table in parts:
        path = read.file.path
        if table is None:
            yield read
        elif path in rows:
            yield ReadFile(read.file, read.digest, (rows[path],))
        else:
            yield ReadFile(read.file, read.digest, (), problems[path])


def _read_plan(patient: _Patience, file: StoredFile) -> ReadFile | None:
    digest = ""
    try:
        raw = patient.read(file.path)
        if raw is None:
            return None
        digest = hashlib.sha256(raw).hexdigest()
        return ReadFile(file, digest, *plan_of(file.key, raw))
    except READ_ERRORS as error:
        return ReadFile(file, digest, (), first_line(error))
