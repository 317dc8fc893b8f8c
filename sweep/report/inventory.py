"""Inventory of a store, as far as it can be read: plans, drivers' own records, trials.

Reads the store and nothing else. A file that cannot be read is skipped and named.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from sweep.report.states import latest_first
from sweep.store.ownership import is_live
from sweep.store.store import Store, StoredFile, StoreError, first_line
from sweep.store.tables import plan_of, planned_row, rows_by_key, trial_table
from sweep.store.vocabulary import BESIDE_A_SWEEP, Row
from trainer.config.lookup import UsageError, lookup

HOW_TO_MAKE_A_SWEEP = (
    "`python -m sweep.table1 --profile digits` makes a sweep on any machine (`make demo` a small "
    "one), and --results says where to look"
)
# A bucket answers in tens of milliseconds, so files are asked for side by side. A folder answers
# at once, and more threads than two only wait for each other.
BUCKET_READERS, FOLDER_READERS = 8, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """Contents of a store: `plans` and `drivers` by sweep, begun `trials` by id; `skipped` has
    the reason by path. A driver's `live` says whether it can still be at work."""

    place: str
    plans: Mapping[str, Sequence[Row]]
    drivers: Mapping[str, Mapping[str, Any]]
    trials: Mapping[str, Row]
    skipped: Mapping[str, str]

    @property
    def sweeps(self) -> list[str]:
        """Names with the latest heartbeat first, then those without a driver."""
        heartbeats = {name: driver["heartbeat"] for name, driver in self.drivers.items()}
        return latest_first(self.plans.keys() | self.drivers.keys(), heartbeats)

    def records(self, sweep: str) -> list[Row]:
        """A row of each planned trial, in the plan's order; one that has not begun is planned."""
        return [
            self.trials.get(row["trial_id"]) or planned(row) for row in self.plans.get(sweep, ())
        ]


def planned(plan_row: Row) -> Row:
    """Row of `trials` of a planned trial, at iteration 0."""
    return planned_row(plan_row) | {"iteration": 0}


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
        trial_files = store.list("trials")
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"cannot list {place}: {first_line(error)}") from error
    by_key = {file.key: file for file in files if file.path.endswith((".parquet", ".json"))}
    if not by_key and (sweep is not None or not trial_files):
        raise UsageError(f"no sweep in {place}: {HOW_TO_MAKE_A_SWEEP}")
    if sweep is not None:
        lookup("sweep", by_key, sweep)
        files = [file for file in files if file.key == sweep]
    plan_files = [file for file in files if file.path.endswith(".parquet")]
    driver_files = [file for file in files if file.path.endswith(".json")]
    plans = _read(store, plan_files, plan_of, skipped)
    drivers = _read(store, driver_files, _driver, skipped)
    if sweep is not None:
        planned_ids = {row["trial_id"] for row in plans.get(sweep, ())}
        trial_files = [file for file in trial_files if file.key in planned_ids]
    tables = _read(store, trial_files, lambda key, raw: trial_table(key, raw, columns), skipped)
    trials, unreadable = rows_by_key(tables)
    skipped |= {f"trials/{key}.parquet": first_line(error) for key, error in unreadable.items()}
    return Inventory(place=place, plans=plans, drivers=drivers, trials=trials, skipped=skipped)


def skipped_lines(skipped: Mapping[str, str]) -> list[str]:
    """Lines with the number of unreadable files and the reason of each; none if all were read."""
    if not skipped:
        return []
    files = "1 file" if len(skipped) == 1 else f"{len(skipped)} files"
    each = [f"  {path}: {reason}" for path, reason in sorted(skipped.items())]
    return [f"left out, as unreadable: {files} of the store", *each]


def _read(
    store: Store,
    files: Iterable[StoredFile],
    content_of: Callable[[str, bytes], Any],
    skipped: dict[str, str],
) -> dict[str, Any]:
    """The content of each file by key. What cannot be read is put into `skipped`."""

    def read_file(file: StoredFile) -> tuple[StoredFile, Any, str | None]:
        try:
            raw = store.read(file.path)
            return file, None if raw is None else content_of(file.key, raw), None
        except (OSError, KeyError, TypeError, ValueError, pa.ArrowException) as error:
            return file, None, first_line(error)

    contents = {}
    with ThreadPoolExecutor(FOLDER_READERS if store.is_local else BUCKET_READERS) as pool:
        for file, content, problem in pool.map(read_file, files):
            if problem is not None:
                skipped[file.path] = problem
            elif content is not None:  # else it was removed since it was listed
                contents[file.key] = content
    return contents


def _driver(_: str, raw: bytes) -> Mapping[str, Any]:
    record = json.loads(raw)
    if not isinstance(record, dict):
        raise ValueError("is not what a driver writes")
    optional = dict.fromkeys(("state", "started_at", "command", "slots", "eta_seconds", "host"))
    heartbeat = datetime.fromisoformat(record["heartbeat"])
    return optional | record | {"heartbeat": heartbeat, "live": is_live(record)}
