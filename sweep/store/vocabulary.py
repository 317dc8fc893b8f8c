"""The store's words: statuses, columns that hold JSON or times, a row. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Row = Mapping[str, Any]

STATUSES = ("planned", "running", "completed", "collapsed", "failed", "stopped")
FINISHED = ("completed", "collapsed")
# Never stored: of a planned trial whose file is there but cannot be read.
UNREADABLE = "unreadable"
SHOWN_STATUSES = (*STATUSES, UNREADABLE)


def is_halved(row: Row | None) -> bool:
    """Tells whether a search has stopped the trial of that row at a rung."""
    return row is not None and row["status"] == "stopped" and row.get("rung") is not None


# Endings of what stands beside a sweep's plan and heartbeat: requests, and what a search found.
BESIDE_A_SWEEP = (".control", ".study")
# Columns with the iteration at which a signal of a collapse began; null for one not seen.
SIGNALS = ("mode_collapse_at", "spectral_collapse_at", "dead_at", "diverged_at")
# What the store keeps as JSON, and is shown as the object that it is.
JSON_COLUMNS = ("protocol", "config", "thresholds", "verdict_rules", "not_judged", "software")
TIMES = ("started_at", "updated_at")


def study_path(sweep: str) -> str:
    """The file with what a search or a comparison of rivals has found."""
    return f"sweeps/{sweep}.study.json"


def sweep_name_problem(name: str) -> str | None:
    """Says why a sweep cannot be called so; None if it can."""
    letters = name.replace("-", "").replace("_", "").replace(".", "")
    if not letters.isalnum() or name[0] in "-.":
        return "may hold letters, digits, '-', '_' and '.' only"
    if name.endswith(BESIDE_A_SWEEP):
        return "ends like a file that stands beside a sweep's own"
    return None
