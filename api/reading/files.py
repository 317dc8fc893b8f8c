"""Files of a store as a snapshot keeps them: plans and trials as rows, drivers' heartbeats,
notes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pydantic import BaseModel

from sweep.store import notes
from sweep.store.compact_rows import CompactRow
from sweep.store.index import INDEXED
from sweep.store.notes import Note
from sweep.store.read_files import READ_ERRORS, ReadFile, read_files
from sweep.store.store import Store, StoredFile
from sweep.store.tables import first_line, planned_row

# A file that could not be read is read again after so many s, doubled with each failure.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0


class Driver(BaseModel):
    """A driver's account of itself in `sweeps/<sweep>.json`."""

    sweep: str
    state: str
    heartbeat: datetime
    started_at: datetime | None = None
    host: str | None = None
    attempt: str | None = None
    command: str | None = None
    slots: int | None = None
    eta_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a file or part of it is left out, how often in a row, and when to look again although
    it is unchanged (monotonic, s)."""

    problem: str
    failures: int
    read_again_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFile:
    """A file of the store as it was last read.

    `rows` are those of `trials` or of a plan, `planned` the rows of `trials` that a plan's stand
    for until their trials begin.
    """

    file: StoredFile
    digest: str
    settled: bool
    rows: Sequence[CompactRow] = ()
    planned: Mapping[str, CompactRow] = field(default_factory=dict)
    driver: Driver | None = None
    note: Note | None = None
    trouble: Trouble | None = None

    @property
    def problem(self) -> str | None:
        return None if self.trouble is None else self.trouble.problem

    def is_fresh(self, file: StoredFile, now: float) -> bool:
        """Tells whether the file need not be read; `file` is what a listing shows now."""
        if self.trouble is not None:
            return self.file == file and now < self.trouble.read_again_at
        return self.settled and self.file == file


def table_of(file: StoredFile) -> str | None:
    """`trials` or `sweeps` for a file of rows of that table, else None."""
    folder, _, name = file.path.partition("/")
    return folder if folder in INDEXED and name.endswith(".parquet") else None


def known_file(read: ReadFile, failures: int = 0) -> KnownFile:
    """A file of rows as it was read; `failures` counts those before."""
    planned = (
        {row["trial_id"]: planned_row(row) for row in read.rows}
        if table_of(read.file) == "sweeps"
        else {}
    )
    return KnownFile(
        file=read.file,
        digest=read.digest,
        settled=read.settled,
        rows=read.rows,
        planned=planned,
        trouble=None if read.problem is None else _trouble(read.problem, failures),
    )


def read_known(
    store: Store, files: Sequence[StoredFile], before: Mapping[str, KnownFile]
) -> Iterator[KnownFile]:
    """Reads these files; those that were deleted since they were listed are left out."""

    def failures(file: StoredFile) -> int:
        known = before.get(file.path)
        if known is None or known.trouble is None or known.file != file:
            return 0
        return known.trouble.failures

    for table in INDEXED:
        of_table = [file for file in files if table_of(file) == table]
        for read in read_files(store, table, of_table):
            yield known_file(read, failures(read.file))
    for file in files:
        if table_of(file) is None and (known := _other(store, file, failures(file))) is not None:
            if known.trouble is not None:
                store = store.hasty()  # one file is waited for, and not each
            yield known


def _other(store: Store, file: StoredFile, failures: int) -> KnownFile | None:
    settled, digest = file.is_settled(), ""
    try:
        if file.path.startswith(f"{notes.FOLDER}/"):
            notes.check_size(file)
        raw = store.read(file.path)
        if raw is None:
            return None
        digest = hashlib.sha256(raw).hexdigest()
        if file.path.startswith(f"{notes.FOLDER}/"):
            note = notes.parse_note(file, raw)
            return KnownFile(file=file, digest=digest, settled=settled, note=note)
        if not (file.path.startswith("sweeps/") and file.path.endswith(".json")):
            raise ValueError("not a file of the store")
        driver = _driver(raw)
    except READ_ERRORS as error:
        trouble = _trouble(first_line(error), failures)
        return KnownFile(file=file, digest=digest, settled=settled, trouble=trouble)
    return KnownFile(file=file, digest=digest, settled=settled, driver=driver)


def _trouble(problem: str, failures: int) -> Trouble:
    pause = min(FIRST_PAUSE * 2**failures, LONGEST_PAUSE)
    return Trouble(problem, failures + 1, time.monotonic() + pause)


def _driver(raw: bytes) -> Driver:
    driver = Driver.model_validate_json(raw)
    if driver.heartbeat.tzinfo is None:
        driver.heartbeat = driver.heartbeat.replace(tzinfo=UTC)
    if driver.started_at is not None and driver.started_at.tzinfo is None:
        driver.started_at = driver.started_at.replace(tzinfo=UTC)
    return driver
