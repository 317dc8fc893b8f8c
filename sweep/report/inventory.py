"""Inventory of a store, as far as it can be read: plans, drivers' own records, trials.

Reads the store and nothing else. A file that cannot be read is skipped and named.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from sweep.report.states import latest_first
from sweep.store.compact_rows import CompactRow
from sweep.store.index import read_by_index
from sweep.store.ownership import is_live
from sweep.store.read_files import READ_ERRORS, ReadFile
from sweep.store.store import Store, StoredFile, StoreError
from sweep.store.tables import first_line, planned_row
from sweep.store.vocabulary import BESIDE_A_SWEEP, UNREADABLE, Row
from trainer.config.lookup import UsageError, lookup

HOW_TO_MAKE_A_SWEEP = (
    "`python -m sweep.table1 --profile digits` makes a sweep on any machine (`make demo` a small "
    "one), and --results says where to look"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """Contents of a store: `plans` and `drivers` by sweep, begun `trials` by id; `skipped` has
    by path the reason why a file or part of it is left out. A driver's `live` says whether it can
    still be at work; `obstacle` what keeps every writer out, if this host can see it."""

    place: str
    plans: Mapping[str, Sequence[CompactRow]]
    drivers: Mapping[str, Mapping[str, Any]]
    trials: Mapping[str, Row]
    skipped: Mapping[str, str]
    obstacle: str | None = None

    @property
    def sweeps(self) -> list[str]:
        """Names with the latest heartbeat first, then those without a driver."""
        heartbeats = {name: driver["heartbeat"] for name, driver in self.drivers.items()}
        return latest_first(self.plans.keys() | self.drivers.keys(), heartbeats)

    def records(self, sweep: str) -> list[Row]:
        """A row of each planned trial, in the plan's order; one that has not begun is planned,
        and one whose file cannot be read unreadable."""
        return [
            self.trials.get(row["trial_id"]) or self.planned(row)
            for row in self.plans.get(sweep, ())
        ]

    def planned(self, plan_row: CompactRow) -> Row:
        """Row of `trials`, at iteration 0, of a planned trial that is not among `trials`."""
        problem = self.skipped.get(f"trials/{plan_row['trial_id']}.parquet")
        if problem is None:
            return planned_row(plan_row, iteration=0)
        return planned_row(plan_row, iteration=0, status=UNREADABLE, traceback=problem)


def inventory(
    store: Store, *, columns: Sequence[str] | None = None, sweep: str | None = None
) -> Inventory:
    """Reads what the store holds, or the part of it that belongs to one sweep.

    Of a trial it reads `columns`, if given, else all. Raises UsageError for an unknown sweep, with
    the nearest names, and if there is nothing; StoreError if the store cannot be listed.
    """
    place = store.place
    skipped: dict[str, str] = {}
    try:
        files = [file for file in store.list("sweeps") if not file.key.endswith(BESIDE_A_SWEEP)]
        trial_files = [file for file in store.list("trials") if file.path.endswith(".parquet")]
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"cannot list {place}: {first_line(error)}") from error
    by_key = {file.key: file for file in files if file.path.endswith((".parquet", ".json"))}
    if not by_key and (sweep is not None or not trial_files):
        raise UsageError(f"no sweep in {place}: {HOW_TO_MAKE_A_SWEEP}")
    if sweep is not None:
        lookup("sweep", by_key, sweep)
        files = [file for file in files if file.key == sweep]
    plan_files = [file for file in files if file.path.endswith(".parquet")]
    plans = _rows_by_key(read_by_index(store, "sweeps", plan_files), skipped)
    drivers = _drivers(store, [file for file in files if file.path.endswith(".json")], skipped)
    if sweep is not None:
        planned_ids = {row["trial_id"] for row in plans.get(sweep, ())}
        trial_files = [file for file in trial_files if file.key in planned_ids]
    trial_rows = _rows_by_key(read_by_index(store, "trials", trial_files, columns), skipped)
    trials = {key: row for key, (row,) in trial_rows.items()}
    return Inventory(
        place=place,
        plans=plans,
        drivers=drivers,
        trials=trials,
        skipped=skipped,
        obstacle=store.obstacle(),
    )


def skipped_lines(skipped: Mapping[str, str]) -> list[str]:
    """Lines with the number of unreadable files and the reason of each; none if all were read."""
    if not skipped:
        return []
    files = "1 file" if len(skipped) == 1 else f"{len(skipped)} files"
    each = [f"  {path}: {reason}" for path, reason in sorted(skipped.items())]
    return [f"left out, as unreadable: {files} of the store", *each]


def _rows_by_key(
    files: Mapping[str, ReadFile], skipped: dict[str, str]
) -> dict[str, Sequence[CompactRow]]:
    """The rows of each file by its key. What is wrong with a file is put into `skipped`."""
    skipped |= {path: read.problem for path, read in files.items() if read.problem is not None}
    return {read.file.key: read.rows for read in files.values() if read.rows or not read.problem}


def _drivers(
    store: Store, files: Iterable[StoredFile], skipped: dict[str, str]
) -> dict[str, Mapping[str, Any]]:
    drivers = {}
    for file in files:
        try:
            raw = store.read(file.path)
            if raw is not None:  # else it was removed since it was listed
                drivers[file.key] = _driver(raw)
        except READ_ERRORS as error:
            skipped[file.path] = first_line(error)
    return drivers


def _driver(raw: bytes) -> Mapping[str, Any]:
    record = json.loads(raw)
    if not isinstance(record, dict):
        raise ValueError("is not what a driver writes")
    optional = dict.fromkeys(("state", "started_at", "command", "slots", "eta_seconds", "host"))
    heartbeat = datetime.fromisoformat(record["heartbeat"])
    if heartbeat.tzinfo is None:
        heartbeat = heartbeat.replace(tzinfo=UTC)
    return optional | record | {"heartbeat": heartbeat, "live": is_live(record)}
