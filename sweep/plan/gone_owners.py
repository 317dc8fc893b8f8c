"""Trials whose process on this machine is gone: their ownership ends as the next sweep starts."""

from __future__ import annotations

from datetime import UTC, datetime

from sweep.store.owners import owned_keys
from sweep.store.ownership import acquire, read_owner
from sweep.store.processes import is_gone
from sweep.store.store import Store


def settle_gone(store: Store) -> list[str]:
    """Ends what processes left behind that are seen to be gone; returns the ids of their trials.

    A row that is still `running` becomes `stopped`: the trial goes on from its checkpoint when
    its sweep is started again. Owners elsewhere, of whom nothing is known, are left alone.
    """
    trial_ids = []
    for trial_id in sorted(owned_keys(store, "claims")):
        path = f"claims/{trial_id}.json"
        record = read_owner(store, path)
        if record is None or not is_gone(record):
            continue
        ownership = acquire(store, path, wait=False)
        if ownership is None:
            continue  # another start was faster
        for row in store.read_rows("trials", trial_id):
            if row["status"] == "running":
                ending = {"status": "stopped", "updated_at": datetime.now(UTC)}
                ownership.write_rows("trials", trial_id, [row | ending])
        ownership.release()
        trial_ids.append(trial_id)
    return trial_ids
