"""Rows of the store as two runs of one trial must have them, bit by bit."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sweep.store.store import Store

TABLES = ("trials", "evaluations", "spectra", "outputs")
# Columns that may differ between two runs of one trial.
PASSING = {
    "seconds",
    "started_at",
    "updated_at",
    "host",
    "attempt",
    "images_per_second",
    "gpu_memory",
}


def lasting_values(row: Mapping[str, Any], passing: Collection[str] = PASSING) -> dict[str, str]:
    """The values that do not pass, as text: NaN is not equal to itself."""
    return {name: repr(value) for name, value in row.items() if name not in passing}


def lasting_rows(
    store: Store, table: str, trial_id: str, passing: Collection[str] = PASSING
) -> list[dict[str, str]]:
    """The same of all rows of a trial."""
    return [lasting_values(row, passing) for row in store.read_rows(table, trial_id)]
