"""Rows of `trials` and of plans with what every such row has."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def plan_row(**changes: Any) -> dict[str, Any]:
    row = {
        "sweep": "s", "position": 0, "operations": 1e9, "trial_id": "a", "profile": "digits",
        "setting": "C_32-32", "group": "C", "setting_batch_size": 32, "setting_channels": 32,
        "batch_size": 16, "channels": 16, "dataset": "digits8", "method": "sn", "seed": 0,
        "iterations": 1500,
    }  # fmt: skip
    return row | changes


def trial_row(**changes: Any) -> dict[str, Any]:
    row = plan_row(status="completed", iteration=1500, updated_at=MOMENT)
    for name in ("sweep", "position", "operations"):
        del row[name]
    return row | changes
