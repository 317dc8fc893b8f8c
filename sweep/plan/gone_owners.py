"""Trials whose process on this machine is gone: their ownership ends as the next sweep starts."""

from __future__ import annotations

from sweep.store.owners import owned_keys
from sweep.store.ownership import acquire, read_owner
from sweep.store.processes import is_gone
from sweep.store.store import Store
from sweep.store.trial_ownership import end_running_row, record_path


def settle_gone(store: Store) -> list[str]:
    """Ends what processes left behind that are seen to be gone; returns the ids of their trials.

    A row that is still `running` becomes `stopped`: the trial goes on from its checkpoint when
    its sweep is started again. Owners elsewhere, of whom nothing is known, are left alone.
    """
    trial_ids = []
    for trial_id in sorted(owned_keys(store, "claims")):
        record = read_owner(store, record_path(trial_id))
        if record is None or not is_gone(record):
            continue
        ownership = acquire(store, record_path(trial_id), wait=False)
        if ownership is None:
            continue  # another start was faster
        end_running_row(ownership, trial_id, "stopped")
        trial_ids.append(trial_id)
    return trial_ids
