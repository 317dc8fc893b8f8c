"""Metrics for Prometheus: the store's state, and the latency of the service.

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

from api.reading.memo import memoise
from api.reading.plans import hours, on_gpu
from api.reading.snapshot import Snapshot, Watcher
from api.web.latency import BOUNDS, LatencyHistogram
from api.web.parameters import Serving, known_parameters
from api.web.problems import RESPONSES
from api.web.service import Readiness
from sweep.store.vocabulary import SIGNALS, STATUSES

router = APIRouter(
    tags=["operation"], dependencies=[Depends(known_parameters)], responses=RESPONSES
)

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, str]


def exposition(
    watcher: Watcher, histograms: Mapping[tuple[str, str, str], LatencyHistogram], streams: int
) -> str:
    """Every series in Prometheus' text format; `streams` is the number of open streams."""
    clients = _series(
        "sweep_event_streams", "gauge", "streams of events that are open", [({}, streams)]
    )
    return "\n".join([*_store(watcher), *clients, *_latency(histograms), ""])


def _store(watcher: Watcher) -> Iterator[str]:
    refreshed = watcher.refreshed_at
    age = (datetime.now(UTC) - refreshed).total_seconds() if refreshed else float("nan")
    yield from _series(
        "sweep_snapshot_age_seconds", "gauge", "s since the store was last read", [({}, age)]
    )
    yield from _series(
        "sweep_store_error",
        "gauge",
        "1 while the store cannot be read",
        [({}, int(watcher.error is not None))],
    )
    if watcher.current is not None:
        yield from _content(watcher.current)


@memoise(size=1)
def _content(snapshot: Snapshot) -> list[str]:
    return list(_snapshot_series(snapshot))


def _snapshot_series(snapshot: Snapshot) -> Iterator[str]:
    rows = list(snapshot.records.values())
    states = Counter(row["status"] for row in rows)
    yield from _series(
        "sweep_trials",
        "gauge",
        "trials by status",
        [({"status": status}, states[status]) for status in STATUSES],
    )
    collapses = Counter(
        (row["method"], signal.removesuffix("_at"))
        for row in rows
        for signal in SIGNALS
        if row[signal] is not None
    )
    yield from _series(
        "sweep_collapsed_trials",
        "gauge",
        "trials in which a signal was seen, by method",
        [({"method": m, "signal": signal}, n) for (m, signal), n in sorted(collapses.items())],
    )
    compute = {
        "gpu": hours(row for row in rows if on_gpu(row)),
        "cpu": hours(row for row in rows if not on_gpu(row)),
    }
    yield from _series(
        "sweep_compute_hours",
        "gauge",
        "hours of training and evaluation, by device",
        [({"device": device}, value) for device, value in compute.items()],
    )
    yield from _series(
        "sweep_skipped_files",
        "gauge",
        "files that could not be read",
        [({}, len(snapshot.skipped))],
    )


def _latency(histograms: Mapping[tuple[str, str, str], LatencyHistogram]) -> Iterator[str]:
    name = "http_request_duration_seconds"
    yield f"# HELP {name} s from request to end of answer, by route template"
    yield f"# TYPE {name} histogram"
    for (method, route, status), histogram in sorted(histograms.items()):
        labels = {"method": method, "route": route, "status": status}
        cumulative = 0
        for bound, count in zip((*BOUNDS, float("inf")), histogram.counts, strict=True):
            cumulative += count
            yield _sample(f"{name}_bucket", {**labels, "le": _number(bound)}, cumulative)
        yield _sample(f"{name}_sum", labels, histogram.total)
        yield _sample(f"{name}_count", labels, cumulative)


def _series(
    name: str, kind: str, description: str, samples: Iterable[tuple[Labels, float]]
) -> Iterator[str]:
    yield f"# HELP {name} {description}"
    yield f"# TYPE {name} {kind}"
    for labels, value in samples:
        yield _sample(name, labels, value)


def _sample(name: str, labels: Labels, value: float) -> str:
    label_text = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"{name}{{{label_text}}} {_number(value)}" if label_text else f"{name} {_number(value)}"


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
    readiness = service.readiness(details=request.state.trusted)
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
