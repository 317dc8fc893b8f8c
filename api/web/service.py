"""The state of a running service, and ETags of responses that are made from it."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from anyio import CapacityLimiter
from fastapi import Request
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from api.reading import on_demand, plans
from api.reading.changes import Changes
from api.reading.indexing import index_apart
from api.reading.listings import listing
from api.reading.snapshot import Snapshot, Watcher
from api.web import formats
from api.web.etags import not_modified_or_continue
from api.web.latency import LatencyHistogram
from api.web.streams import Streams
from api.web.workers import MOST_QUERIES, RUNNING_QUERIES, Workers
from sweep.report.expense import NO_RATES, GpuRates
from sweep.store.ownership import is_silent
from sweep.store.read_files import side_by_side
from sweep.store.store import Store
from sweep.store.vocabulary import UNREADABLE

NAMED_FILES = 20


@dataclass(frozen=True, slots=True, eq=False)
class Service:
    """The store, the thread that keeps a snapshot of it, streams that tell its changes, and the
    threads that answer heavy questions."""

    store: Store
    watcher: Watcher
    changes: Changes
    # What a GPU-hour costs and takes, as far as the service was told.
    rates: GpuRates = NO_RATES
    latency: dict[tuple[str, str, str], LatencyHistogram] = field(default_factory=dict)
    streams: Streams = field(default_factory=Streams)
    workers: Workers = field(default_factory=Workers)
    queries: Workers = field(default_factory=lambda: Workers(RUNNING_QUERIES, MOST_QUERIES))
    # Of the one thread that counts the rows of a new snapshot for the metrics.
    metrics_thread: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(1))

    @property
    def root(self) -> str:
        """The store's root, without credentials that its URI may hold."""
        return re.sub(r"//[^/@]*@", "//", self.store.root)

    def readiness(self, *, details: bool) -> Readiness:
        """`details`: the client may know more of the store than counts."""
        watcher, snapshot = self.watcher, self.watcher.current
        skipped = snapshot.skipped if snapshot else {}
        reason = self._not_ready(snapshot)
        return Readiness(
            ready=reason is None,
            reason=reason if details or reason is None else "not ready: ask with a token why",
            results=self.root if details else None,
            trials=len(snapshot.records) if snapshot else 0,
            sweeps=len(plans.sweep_names(snapshot)) if snapshot else 0,
            skipped=len(skipped),
            unreadable=sum(r["status"] == UNREADABLE for r in snapshot.records.values())
            if snapshot
            else 0,
            skipped_files=dict(list(skipped.items())[:NAMED_FILES]) if details else {},
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
        if is_silent(refreshed, datetime.now(UTC)):
            return f"the store was last read at {refreshed:%H:%M:%S} UTC"
        return None


def open_service(store: Store, cache_folder: Path | None, rates: GpuRates = NO_RATES) -> Service:
    """A service over the store, not yet watching it; without a folder it caches nothing."""
    changes = Changes()
    watcher = Watcher(
        store, cache_folder, changes.look, functools.partial(index_apart, store, cache_folder)
    )
    return Service(store, watcher, changes, rates)


def service_of(request: Request) -> Service:
    return request.app.state.service


def now_serving(request: Request) -> Snapshot:
    """The snapshot that the request is answered from. 503 until there is a first one."""
    watcher = service_of(request).watcher
    if watcher.current is None:
        reason = watcher.error or "the store is being read for the first time"
        raise HTTPException(503, reason, headers={"Retry-After": "1"})
    return watcher.current


def tag_sweeps(
    request: Request, snapshot: Snapshot, version: str = "", media: str = formats.JSON
) -> datetime:
    """Gives the response an ETag over the states of sweeps; returns the time that they hold for.

    A sweep becomes stalled by the clock, with nothing written to the store, and what it costs
    changes with the price. `version` is of other data in the response. Ends the request if the
    response is not modified or cached.
    """
    now = datetime.now(UTC)
    not_modified_or_continue(
        request,
        f"{snapshot.id} {plans.states(snapshot, now)} {service_of(request).rates} {version}",
        media,
    )
    return now


class Readiness(BaseModel):
    ready: bool
    reason: str | None = Field(description="why it is not")
    results: str | None = Field(description="root of the store; null without the token")
    trials: int
    sweeps: int
    skipped: int = Field(description="files that could not be read, as a whole or in part")
    unreadable: int = Field(description="planned trials among them: begun, and not known how far")
    skipped_files: dict[str, str] = Field(description="why, of the first 20, with the token")
    snapshot: str | None
    refreshed_at: datetime | None


def tag_files(
    request: Request,
    service: Service,
    version: str,
    paths: Iterable[str],
    media: str = formats.JSON,
) -> None:
    """Gives the response an ETag over `version` and the stamps of these few files of the store.

    Curves, spectra and samples are not in the snapshot, whose id `version` usually is. Ends the
    request if the response is not modified or cached.
    """
    stamp = functools.partial(on_demand.stamp, service.store)
    stamps = side_by_side(service.store, stamp, list(paths))
    not_modified_or_continue(request, " ".join([version, *stamps]), media)


def tag_curves(
    request: Request, service: Service, snapshot: Snapshot, media: str = formats.JSON
) -> None:
    """Gives the response an ETag over the snapshot and the evaluations of all trials.

    Ends the request if the response is not modified or cached. Raises StoreError if the store
    cannot be listed.
    """
    digest = listing(service.store, snapshot, "evaluations").digest
    not_modified_or_continue(request, f"{snapshot.id} {digest}", media)
