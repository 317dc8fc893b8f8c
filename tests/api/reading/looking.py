"""A watcher's next snapshot, told to the history of changes."""

from __future__ import annotations

from datetime import UTC, datetime

from api.reading.changes import Changes
from api.reading.snapshot import Snapshot, Watcher


def look(watch: Changes, watcher: Watcher, now: datetime | None = None) -> Snapshot:
    watcher.refresh()
    assert watcher.current is not None
    watch.look(watcher.current, now or datetime.now(UTC))
    return watcher.current
