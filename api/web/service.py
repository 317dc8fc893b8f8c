"""What a running service holds, and how a request gets at it."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fastapi import Request
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from api.reading import cache, on_demand, plans
from api.reading.changes import Changes
from api.reading.snapshot import Row, Snapshot, Watcher
from api.web import formats
from api.web.etags import conditional
from api.web.latency import Histogram
from api.web.streams import Streams
from sweep.store.store import Store

# The watcher looks every second or so; after this long without a pass, answers may be old.
OLD = timedelta(seconds=60)
NAMED_FILES = 20


@dataclass(frozen=True, slots=True, eq=False)
class Service:
    """The store, the thread that keeps a snapshot of it, and who is told of changes."""

    store: Store
    watcher: Watcher
    changes: Changes
    distances: Callable[[str], Sequence[Row]]
    latency: dict[tuple[str, str, str], Histogram] = field(default_factory=dict)
    streams: Streams = field(default_factory=Streams)

    @property
    def root(self) -> str:
        """Where the store is, without credentials that its URI may hold."""
        return re.sub(r"//[^/@]*@", "//", self.store.root)

    def readiness(self, *, named: bool) -> Readiness:
        """`named` tells whether the asker may know of the store more than counts."""
        watcher, snapshot = self.watcher, self.watcher.current
        skipped = snapshot.skipped if snapshot else {}
        reason = self._not_ready(snapshot)
        return Readiness(
            ready=reason is None,
            reason=reason if named or reason is None else "not ready: ask with a token why",
            results=self.root if named else None,
            trials=len(snapshot.records) if snapshot else 0,
            sweeps=len(plans.sweep_names(snapshot)) if snapshot else 0,
            skipped=len(skipped),
            skipped_files=dict(list(skipped.items())[:NAMED_FILES]) if named else {},
            snapshot=snapshot.id if snapshot else None,
            refreshed_at=watcher.refreshed_at,
        )

    def _not_ready(self, snapshot: Snapshot | None) -> str | None:
        refreshed = self.watcher.refreshed_at
        if self.watcher.error:
            return self.watcher.error
        if snapshot is None or refreshed is None:
            return "the store is being read for the first time"
        if not snapshot.exists:
            return f"there are no results at {self.root} yet: `make demo` writes some"
        if datetime.now(UTC) - refreshed > OLD:
            return f"the store was last read at {refreshed:%H:%M:%S} UTC"
        return None


def open_service(store: Store, cache_folder: Path | None) -> Service:
    """A service over the store, not yet watching it; it keeps nothing if there is no folder."""
    kept = None if cache_folder is None else cache.path_of(cache_folder, store)
    changes = Changes()
    watcher = Watcher(store, kept, changes.look)
    return Service(store, watcher, changes, functools.partial(on_demand.distances_or_none, store))


def service_of(request: Request) -> Service:
    return request.app.state.service


def now_serving(request: Request) -> Snapshot:
    """The snapshot that the request is answered from. 503 until there is a first one."""
    watcher = service_of(request).watcher
    if watcher.current is None:
        reason = watcher.error or "the store is being read for the first time"
        raise HTTPException(503, reason, headers={"Retry-After": "1"})
    return watcher.current


def tag_sweeps(request: Request, snapshot: Snapshot, version: str = "") -> datetime:
    """ETag of an answer that tells how sweeps stand; returns the time that it is told for.

    A sweep becomes stalled by the clock, with nothing written to the store. `version` is of what
    else the answer tells.
    """
    now = datetime.now(UTC)
    conditional(request, f"{snapshot.id} {plans.states(snapshot, now)} {version}".rstrip())
    return now


class Readiness(BaseModel):
    ready: bool
    reason: str | None = Field(description="why it is not")
    results: str | None = Field(description="root of the store; null without the token")
    trials: int
    sweeps: int
    skipped: int = Field(description="files that could not be read")
    skipped_files: dict[str, str] = Field(description="why, of the first 20, with the token")
    snapshot: str | None
    refreshed_at: datetime | None


def tag_trial(
    request: Request, service: Service, trial_id: str, snapshot_id: str, *tables: str
) -> None:
    """The marks are in the snapshot, the lines in files of their own."""
    paths = [on_demand.table_path(table, trial_id) for table in tables]
    conditional(
        request, " ".join([snapshot_id, *(on_demand.stamp(service.store, p) for p in paths)])
    )


def tag(
    request: Request,
    snapshot: Snapshot,
    service: Service,
    records: Sequence[Row],
    table: str,
    media: str = formats.JSON,
) -> None:
    """ETag of what is read of all of them."""
    paths = [on_demand.table_path(table, record["trial_id"]) for record in records]
    stamps = [on_demand.stamp(service.store, path) for path in paths]
    conditional(request, " ".join([snapshot.id, *stamps]), media)
