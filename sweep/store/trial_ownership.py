"""Ownership of a trial's files: where its record stands, who has it, a short try to get it.

The store and the standard library only.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sweep.store.ownership import Ownership, acquire, read_owner
from sweep.store.store import Store

# Between two looks of a start that has little time.
LOOK_SECONDS = 0.2


def record_path(trial_id: str) -> str:
    """Path in the store of the record that says who owns the trial's files."""
    return f"claims/{trial_id}.json"


def acquire_within(store: Store, trial_id: str, seconds: float) -> Ownership | None:
    """Returns ownership of a trial's files; None if another start still has it after `seconds`."""
    deadline = time.monotonic() + seconds
    while (ownership := acquire(store, record_path(trial_id), wait=False)) is None:
        if time.monotonic() >= deadline:
            return None
        time.sleep(LOOK_SECONDS)
    return ownership


def end_running_row(
    ownership: Ownership, trial_id: str, status: str, traceback: str | None = None
) -> None:
    """Writes `status` for a trial that is stored as running, though its process is gone, and
    releases it."""
    for row in ownership.store.read_rows("trials", trial_id):
        if row["status"] == "running":
            ending = {"status": status, "traceback": traceback}
            ending["failures"] = (row["failures"] or 0) + (status == "failed")
            ending["updated_at"] = datetime.now(UTC)
            ownership.write_rows("trials", trial_id, [row | ending])
    ownership.release()


def live_owner(store: Store, trial_id: str) -> dict[str, Any] | None:
    """Returns the record of the start that owns a trial; None if it could be owned at once.

    The record of a dead owner is removed, so that nobody has to find that out again.
    """
    if read_owner(store, record_path(trial_id)) is None:
        return None
    ownership = acquire(store, record_path(trial_id), wait=False)
    if ownership is None:
        return read_owner(store, record_path(trial_id))
    ownership.release()
    return None


def owner_in_words(owner: Mapping[str, Any]) -> str:
    """Names the owner: `process 12 on host (last sign of life 3 s ago)`, by this clock."""
    if owner.get("pid") is None:
        return "another start"
    who = f"process {owner.get('pid')} on {owner.get('host')}"
    silence = silent_seconds(owner)
    return who if silence is None else f"{who} (last sign of life {silence:.0f} s ago)"


def silent_seconds(owner: Mapping[str, Any]) -> float | None:
    """Seconds since the owner's heartbeat, by this clock; None if it names no time."""
    try:
        heartbeat = datetime.fromisoformat(str(owner.get("heartbeat")))
        return max(0.0, (datetime.now(UTC) - heartbeat).total_seconds())
    except (TypeError, ValueError):
        return None
