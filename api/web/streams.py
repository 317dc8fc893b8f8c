"""Counts and limits open streams of events, and ends them when the service stops."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.exceptions import HTTPException

# Each holds a connection for as long as a page is open.
MAX_STREAMS = 200


class Streams:
    """Used in the thread of the event loop alone, and so without a lock."""

    def __init__(self) -> None:
        self.open = 0
        self.closing = False

    def close(self) -> None:
        """Every stream ends within a second or so, and no other one begins."""
        self.closing = True

    @contextmanager
    def place(self) -> Iterator[None]:
        """Counts a stream. Raises HTTPException if there are too many."""
        if self.closing or self.open >= MAX_STREAMS:
            reason = (
                "the service stops" if self.closing else f"{self.open} streams are open already"
            )
            raise HTTPException(503, f"{reason}: ask again later", headers={"Retry-After": "10"})
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1


class Server(uvicorn.Server):
    """uvicorn's server, which closes the streams before it waits for connections to end."""

    def __init__(self, config: uvicorn.Config, streams: Streams) -> None:
        super().__init__(config)
        self.streams = streams

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Shuts down as uvicorn does, which would wait for a stream until its client goes."""
        self.streams.close()
        await super().shutdown(sockets)
