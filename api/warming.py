"""What takes long on a big store is read before somebody waits for it."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from api import comparison
from api.reading.snapshot import Row
from api.web.service import Service

# Between two looks whether there is a first snapshot, s.
PERIOD = 0.2


class _Stopped(Exception):
    """The service ends before all of it was read."""


def warm(service: Service, stop: threading.Event) -> None:
    """Reads the curves that Table II's pairs rest on, as soon as there is a snapshot."""

    def distances(trial_id: str) -> Sequence[Row]:
        if stop.is_set():
            raise _Stopped
        return service.distances(trial_id)

    while service.watcher.current is None:
        if stop.wait(PERIOD):
            return
    try:
        comparison.table_rows(service.watcher.current, distances)
    except _Stopped:
        return
