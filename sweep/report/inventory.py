"""What a store holds, as far as it can be read: plans, what drivers say of themselves, trials.

Reads the store and nothing else. A file that cannot be read is skipped and named.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from sweep.store.ownership import is_live
from sweep.store.schemas import SCHEMAS
from sweep.store.store import Store, StoredFile, StoreError, first_line
from sweep.store.tables import plan_of, rows_by_key, trial_table
from sweep.store.vocabulary import Row
from trainer.config.lookup import UsageError, lookup

# Beside a sweep's plan and heartbeat: requests to its driver, and what a search has found.
NO_SWEEP = (".control", ".study")
HOW_TO_MAKE_A_SWEEP = (
    "`python -m sweep.table1 --profile digits` makes a sweep on any machine (`make demo` a small "
    "one), and --results says where to look"
)
# A bucket answers in tens of milliseconds, so files are asked for side by side. A folder answers
# at once, and more threads than two only wait for each other.
BUCKET_READERS, FOLDER_READERS = 8, 2

_NO_TRIAL = dict.fromkeys(SCHEMAS["trials"].names)
_IDENTITY = [name for name in SCHEMAS["sweeps"].names if name in _NO_TRIAL]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """`plans` and `drivers` by sweep; `trials` by id, as far as they have begun; `skipped` has
    the reason by path. A driver's `live` says whether it can still be at work."""

    place: str
    plans: Mapping[str, Sequence[Row]]
    drivers: Mapping[str, Mapping[str, Any]]
    trials: Mapping[str, Row]
    skipped: Mapping[str, str]

    @property
    def sweeps(self) -> list[str]:
        """The last one to be heard of first, then those whose driver has said nothing."""
        names = sorted(self.plans.keys() | self.drivers.keys())
        heard = {name: driver["heartbeat"] for name, driver in self.drivers.items()}
        never = datetime.min.replace(tzinfo=UTC)
        return sorted(names, key=lambda name: heard.get(name, never), reverse=True)

    def records(self, sweep: str) -> list[Row]:
        """A row of each planned trial, in the plan's order; one that has not begun is planned."""
        return [
            self.trials.get(row["trial_id"]) or planned(row) for row in self.plans.get(sweep, ())
        ]


def planned(plan_row: Row) -> Row:
    """A plan's row as that of a trial that has not begun."""
    identity = {name: plan_row[name] for name in _IDENTITY}
    return _NO_TRIAL | identity | {"status": "planned", "iteration": 0}


def inventory(
    store: Store, *, only: Sequence[str] | None = None, sweep: str | None = None
) -> Inventory:
    """What the store holds, or the part of it that belongs to one sweep.

    Of a trial the columns `only`, if given. Raises UsageError for an unknown sweep, with the
    nearest names, and if there is nothing; StoreError if the store cannot be listed.
    """
    place = store.place
    skipped: dict[str, str] = {}
    try:
        files = [file for file in store.list("sweeps") if not file.key.endswith(NO_SWEEP)]
        trial_files = store.list("trials")
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"cannot list {place}: {first_line(error)}") from error
    named = {file.key: file for file in files if file.path.endswith((".parquet", ".json"))}
    if not named and (sweep is not None or not trial_files):
        raise UsageError(f"no sweep in {place}: {HOW_TO_MAKE_A_SWEEP}")
    if sweep is not None:
        lookup("sweep", named, sweep)
        files = [file for file in files if file.key == sweep]
    plan_files = [file for file in files if file.path.endswith(".parquet")]
    driver_files = [file for file in files if file.path.endswith(".json")]
    plans = _read(store, plan_files, plan_of, skipped)
    drivers = _read(store, driver_files, _driver, skipped)
    if sweep is not None:
        wanted = {row["trial_id"] for row in plans.get(sweep, ())}
        trial_files = [file for file in trial_files if file.key in wanted]
    tables = _read(store, trial_files, lambda key, raw: trial_table(key, raw, only), skipped)
    trials, unreadable = rows_by_key(tables)
    skipped |= {f"trials/{key}.parquet": first_line(error) for key, error in unreadable.items()}
    return Inventory(place=place, plans=plans, drivers=drivers, trials=trials, skipped=skipped)


def skipped_lines(skipped: Mapping[str, str]) -> list[str]:
    """How many files were left out, and each with its reason; nothing if none was."""
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

    def one(file: StoredFile) -> tuple[StoredFile, Any, str | None]:
        try:
            raw = store.read(file.path)
            return file, None if raw is None else content_of(file.key, raw), None
        except (OSError, KeyError, TypeError, ValueError, pa.ArrowException) as error:
            return file, None, first_line(error)

    found = {}
    with ThreadPoolExecutor(FOLDER_READERS if store.is_local else BUCKET_READERS) as pool:
        for file, content, problem in pool.map(one, files):
            if problem is not None:
                skipped[file.path] = problem
            elif content is not None:  # else it was removed since it was listed
                found[file.key] = content
    return found


def _driver(_: str, raw: bytes) -> Mapping[str, Any]:
    says = json.loads(raw)
    if not isinstance(says, dict):
        raise ValueError("is not what a driver writes")
    told = dict.fromkeys(("state", "started_at", "command", "slots", "eta_seconds", "host"))
    heard = datetime.fromisoformat(says["heartbeat"])
    return told | says | {"heartbeat": heard, "live": is_live(says)}
