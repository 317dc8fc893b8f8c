"""What the service tells Prometheus: the store's state, and how long its own answers take.

Text format 0.0.4. Labels are routes, states, methods and signals: never an id, so that the number
of series stays small however many trials there are.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.reading.memo import once
from api.reading.plans import hours, on_gpu
from api.reading.snapshot import Snapshot, Watcher
from sweep.store.vocabulary import STATUSES

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SIGNALS = ("mode_collapse_at", "spectral_collapse_at", "dead_at", "diverged_at")
UNKNOWN = "unknown"

Labels = Mapping[str, str]


@dataclass(slots=True)
class Histogram:
    """Answers by the bound, in s, that they stayed below; the last place is beyond all."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds


class Latency:
    """ASGI middleware: times every answer, by method, route template and status class.

    A stream of events lasts as long as its page is open, and is counted instead.
    """

    def __init__(self, app: ASGIApp, held: dict[tuple[str, str, str], Histogram]) -> None:
        self.app = app
        self.held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status, media = time.perf_counter(), 500, ""

        async def send_noted(message: Message) -> None:
            nonlocal status, media
            if message["type"] == "http.response.start":
                status = message["status"]
                media = Headers(raw=message["headers"]).get("content-type", "")
            await send(message)

        try:
            await self.app(scope, receive, send_noted)
        finally:
            # Anyone may send any method and any path: neither may become a label.
            method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST") else "other"
            key = (method, template_of(scope), f"{status // 100}xx")
            if not media.startswith("text/event-stream"):
                self.held.setdefault(key, Histogram()).add(time.perf_counter() - started)


def template_of(scope: Scope) -> str:
    """The path of the route that answered, with its parameters' names."""
    return getattr(scope.get("route"), "path", None) or UNKNOWN


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
