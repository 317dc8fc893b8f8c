"""A worker's contact with its driver: who cannot reach it gives up what it owns.

A report blocks until the driver has taken it. A worker that is cut off from its cluster may still
reach the store, and its heartbeat would keep its trial from the worker that replaces it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from sweep.store.ownership import Ownership, Superseded
from sweep.store.retry import recovered_within

# A report that was not taken for so long does not come to the driver.
CONTACT_SECONDS = 30.0

Report = Callable[[dict[str, Any]], None]


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
