"""What the service tells Prometheus: the store's state, and how long its own answers take.

Text format 0.0.4. Labels are routes, states, methods and signals: never an id, so that the number
of series stays small however many trials there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel

from api.reading.memo import once
from api.reading.plans import hours, on_gpu
from api.reading.snapshot import Snapshot, Watcher
from api.web.latency import BOUNDS, Histogram
from api.web.parameters import Serving, known_parameters
from api.web.problems import RESPONSES
from api.web.service import Readiness
from sweep.store.vocabulary import STATUSES

router = APIRouter(
    tags=["operation"], dependencies=[Depends(known_parameters)], responses=RESPONSES
)

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SIGNALS = ("mode_collapse_at", "spectral_collapse_at", "dead_at", "diverged_at")

Labels = Mapping[str, str]


def exposition(
    watcher: Watcher, held: Mapping[tuple[str, str, str], Histogram], streams: int
) -> str:
    """Every series, as Prometheus reads them; `streams` of events are open."""
    clients = _series(
        "sweep_event_streams", "gauge", "streams of events that are open", [({}, streams)]
    )
    return "\n".join([*_store(watcher), *clients, *_latency(held), ""])


def _store(watcher: Watcher) -> Iterator[str]:
    read = watcher.refreshed_at
    age = (datetime.now(UTC) - read).total_seconds() if read else float("nan")
    yield from _series(
        "sweep_snapshot_age_seconds", "gauge", "s since the store was last read", [({}, age)]
    )
    yield from _series(
        "sweep_store_error", "gauge", "1 while the store cannot be read",
        [({}, int(watcher.error is not None))],
    )  # fmt: skip
    if watcher.current is not None:
        yield from _content(watcher.current)


@once(size=1)
def _content(snapshot: Snapshot) -> list[str]:
    return list(_counted(snapshot))


def _counted(snapshot: Snapshot) -> Iterator[str]:
    rows = list(snapshot.records.values())
    states = Counter(row["status"] for row in rows)
    yield from _series(
        "sweep_trials", "gauge", "trials by status",
        [({"status": status}, states[status]) for status in STATUSES],
    )  # fmt: skip
    seen = Counter(
        (row["method"], at.removesuffix("_at")) for row in rows for at in SIGNALS
        if row[at] is not None
    )  # fmt: skip
    yield from _series(
        "sweep_collapsed_trials", "gauge", "trials in which a signal was seen, by method",
        [({"method": m, "signal": signal}, n) for (m, signal), n in sorted(seen.items())],
    )  # fmt: skip
    compute = {
        "gpu": hours(row for row in rows if on_gpu(row)),
        "cpu": hours(row for row in rows if not on_gpu(row)),
    }
    yield from _series(
        "sweep_compute_hours", "gauge", "hours of training and evaluation, by device",
        [({"device": device}, value) for device, value in compute.items()],
    )  # fmt: skip
    yield from _series(
        "sweep_skipped_files",
        "gauge",
        "files that could not be read",
        [({}, len(snapshot.skipped))],
    )


def _latency(held: Mapping[tuple[str, str, str], Histogram]) -> Iterator[str]:
    name = "http_request_duration_seconds"
    yield f"# HELP {name} s from request to end of answer, by route template"
    yield f"# TYPE {name} histogram"
    for (method, route, status), histogram in sorted(held.items()):
        labels = {"method": method, "route": route, "status": status}
        below = 0
        for bound, count in zip((*BOUNDS, float("inf")), histogram.counts, strict=True):
            below += count
            yield _sample(f"{name}_bucket", {**labels, "le": _number(bound)}, below)
        yield _sample(f"{name}_sum", labels, histogram.total)
        yield _sample(f"{name}_count", labels, below)


def _series(
    name: str, kind: str, says: str, samples: Iterable[tuple[Labels, float]]
) -> Iterator[str]:
    yield f"# HELP {name} {says}"
    yield f"# TYPE {name} {kind}"
    for labels, value in samples:
        yield _sample(name, labels, value)


def _sample(name: str, labels: Labels, value: float) -> str:
    inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"{name}{{{inside}}} {_number(value)}" if inside else f"{name} {_number(value)}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    special = {float("inf"): "+Inf", float("-inf"): "-Inf"}
    return "NaN" if value != value else special.get(value, repr(value))


class Health(BaseModel):
    status: Literal["ok"]


@router.get("/healthz")
def healthz() -> Health:
    """The process answers. Looks at nothing."""
    return Health(status="ok")


@router.get("/readyz", responses={503: {"model": Readiness}})
def readyz(request: Request, response: Response, service: Serving) -> Readiness:
    """Whether the answers come from a store that is there and is being watched; 503 if not.

    Needs no token, as probes have none; without one it names neither the store nor its files.
    """
    readiness = service.readiness(named=request.state.trusted)
    response.status_code = 200 if readiness.ready else 503
    return readiness


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def prometheus(service: Serving) -> Response:
    """Trials by status, collapses, compute hours, age of the snapshot, and latency by route."""
    content = exposition(service.watcher, service.latency, service.streams.open)
    return Response(content, media_type=MEDIA_TYPE)
