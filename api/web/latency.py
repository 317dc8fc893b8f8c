"""Latency of responses by route, as Prometheus counts it."""

from __future__ import annotations

import time
from bisect import bisect_left
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
UNKNOWN = "unknown"


@dataclass(slots=True)
class LatencyHistogram:
    """Counts responses by the bound, in s, that they stayed below; the last is beyond all."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds


class Latency:
    """ASGI middleware: times every response, by method, route template and status class.

    A stream of events lasts as long as its page is open, and is counted instead.
    """

    def __init__(
        self, app: ASGIApp, histograms: dict[tuple[str, str, str], LatencyHistogram]
    ) -> None:
        self.app = app
        self.histograms = histograms

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
                self.histograms.setdefault(key, LatencyHistogram()).add(
                    time.perf_counter() - started
                )


def template_of(scope: Scope) -> str:
    """The path of the route that answered, with its parameters' names."""
    return getattr(scope.get("route"), "path", None) or UNKNOWN
