"""Parses the files of a store: rows of trials, plans of sweeps, heartbeats of drivers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from pydantic import BaseModel

from sweep.store.schemas import SCHEMAS
from sweep.store.store import StoredFile
from sweep.store.tables import parse, plan_of, pylist, trial_table
from sweep.store.vocabulary import Row


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


def content_of(file: StoredFile, raw: bytes) -> pa.Table | Sequence[Row] | Driver:
    """A trial as a table of one row, a sweep's plan in its order, or a driver's heartbeat.

    Raises OSError, ValueError or an Arrow error if the file is not what its name says.
    """
    if file.path.startswith("trials/") and file.path.endswith(".parquet"):
        return trial_table(file.key, raw)
    if file.path.endswith(".parquet"):
        return plan_of(file.key, raw)
    if file.path.startswith("sweeps/") and file.path.endswith(".json"):
        return _driver(raw)
    raise ValueError("not a file of the store")


def rows_of(
    table: str, raw: bytes, column_names: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """The rows of a stored file, with these columns or all.

    Raises an Arrow error or ValueError if it is not one.
    """
    return pylist(parse(raw, table, column_names))


def with_interned_texts(row: Row) -> Row:
    """Interns the names and texts of a row: those that many rows share are in memory once."""
    return {
        name: sys.intern(value) if isinstance(value := row[name], str) else value
        for name in SCHEMAS["trials"].names
    }


def _driver(raw: bytes) -> Driver:
    driver = Driver.model_validate_json(raw)
    if driver.heartbeat.tzinfo is None:
        driver.heartbeat = driver.heartbeat.replace(tzinfo=UTC)
    return driver
