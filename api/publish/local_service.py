"""The service over a part of a store, asked inside this process: no port, no network."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

from starlette.types import Message

from api.app import create_app
from api.publish.part import SweepPart
from api.reading.snapshot import Snapshot
from sweep.store.store import StoreError

# By this name every service without tokens can be asked: see `api.web.hosts`.
HOST = b"127.0.0.1"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response of the service; `media` is without its parameters."""

    status: int
    media: str
    body: bytes


class LocalService:
    """Answers as a service whose store holds one sweep, read once.

    It writes nothing, the store's index neither.
    """

    def __init__(self, part: SweepPart) -> None:
        """Raises StoreError if the store cannot be listed."""
        self.app = create_app(part)
        watcher = self.app.state.service.watcher
        watcher.load_index()
        watcher.refresh()
        if watcher.current is None:
            raise StoreError(watcher.error)
        self.snapshot: Snapshot = watcher.current

    async def get(self, address: str) -> Answer:
        """The answer to a path with its query, uncompressed."""
        parts = urlsplit(address)
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": unquote(parts.path),
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "root_path": "",
            "headers": [(b"host", HOST)],
            "client": ("127.0.0.1", 0),
            "server": ("127.0.0.1", 80),
        }
        messages: list[Message] = []
        pending: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> Message:
            if not pending:
                await asyncio.Event().wait()  # the client stays until it has its answer
            return pending.pop()

        async def send(message: Message) -> None:
            messages.append(message)

        await self.app(scope, receive, send)
        start = next(m for m in messages if m["type"] == "http.response.start")
        headers = {name.lower(): value.decode() for name, value in start["headers"]}
        body = b"".join(m.get("body", b"") for m in messages if m["type"] == "http.response.body")
        media = headers.get(b"content-type", "").partition(";")[0]
        return Answer(start["status"], media, body)


def with_query(path: str, query: Mapping[str, Any]) -> str:
    """The address of a path with parameters; those without a value are left out."""
    parameters = {name: value for name, value in query.items() if value not in (None, "")}
    return f"{path}?{urlencode(parameters)}" if parameters else path
