"""Streams of events as a client reads them."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2


class Stream:
    """Events of an answer, one at a time."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self.lines = response.iter_lines()

    def next(self) -> dict[str, Any]:
        """The next event, with its data read; fails at the end of the answer."""
        found: dict[str, Any] = {}
        for line in self.lines:
            if not line and found:
                return {**found, "data": json.loads(found["data"])}
            name, _, value = line.partition(": ")
            if name:
                found[name] = value
        raise AssertionError("the stream has ended")


@contextmanager
def listening(
    http: httpx2.Client, path: str = "/events", after: str | None = None
) -> Iterator[Stream]:
    headers = {} if after is None else {"Last-Event-ID": after}
    with http.stream("GET", path, headers=headers) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Stream(response)


def gauge(http: httpx2.Client) -> int:
    lines = http.get("/metrics").text.splitlines()
    (value,) = (line.split()[1] for line in lines if line.startswith("sweep_event_streams "))
    return int(value)


def connected(http: httpx2.Client, path: str = "/events", buffer: int = 2048) -> socket.socket:
    """A connection that has asked for a stream and reads nothing."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    client.connect(("127.0.0.1", http.base_url.port))
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    return client
