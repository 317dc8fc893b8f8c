"""A worker's contact with its driver: who cannot reach it gives up what it owns.

A report blocks until the driver has taken it. A worker that is cut off from its cluster may still
reach the store, and its heartbeat would keep its trial from the worker that replaces it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from sweep.store.ownership import Ownership, Superseded, read_owner
from sweep.store.retry import recovered_within
from sweep.store.store import Store
from sweep.store.trial_ownership import record_path

# A report that was not taken for so long does not come to the driver.
CONTACT_SECONDS = 30.0

# For an owner that is about to end. A longer wait is the driver's, which has another trial for
# the place.
OWNER_SECONDS = 2.0

Report = Callable[[dict[str, Any]], None]


def report_owner(store: Store, trial_id: str, report: Report) -> None:
    """Reports a trial that another start is at work on as `waiting`, with its owner."""
    owner = read_owner(store, record_path(trial_id)) or {}
    names = ("host", "pid", "heartbeat")
    owner_fields = {f"owner_{name}": owner.get(name) for name in names}
    report({"trial": trial_id, "status": "waiting", **owner_fields})


def with_contact(report: Report, ownership: Ownership) -> Report:
    """Wraps `report`: it releases the ownership, in a thread, if the driver is not reached.

    A report of a trial that runs then raises Superseded once it returns. While the store cannot be
    reached the driver waits for it, and takes no report either: that time does not count.
    """

    def report_or_release(result: dict[str, Any]) -> None:
        returned, released = threading.Event(), threading.Event()

        def watch() -> None:
            while not returned.wait(CONTACT_SECONDS):
                if not recovered_within(ownership.store.place, CONTACT_SECONDS):
                    released.set()
                    ownership.release()
                    return

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            report(result)
        finally:
            returned.set()
            watcher.join()
        if released.is_set() and result["status"] == "running":
            raise Superseded(f"{ownership.path}: its driver was not reached, and it was released")

    return report_or_release
