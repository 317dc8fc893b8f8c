"""The service over a part of a store, asked inside this process: no port, no network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from api.app import create_app
from api.publish.part import SweepPart
from api.reading.snapshot import Snapshot
from api.web.in_process import Answer, ask
from sweep.store.store import StoreError


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
        return await ask(self.app, address)


def with_query(path: str, query: Mapping[str, Any]) -> str:
    """The address of a path with parameters; those without a value are left out."""
    parameters = {name: value for name, value in query.items() if value not in (None, "")}
    return f"{path}?{urlencode(parameters)}" if parameters else path
