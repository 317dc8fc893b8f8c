"""The HTTP server, which ends streams of events before it waits for its answers to end."""

from __future__ import annotations

import socket

import uvicorn

from api.service import Service


class Server(uvicorn.Server):
    """Serves the application of `create_app`."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, which would wait for a stream until its client goes."""
        service: Service = self.config.app.state.service  # pyright: ignore[reportFunctionMemberAccess, reportAttributeAccessIssue] - uvicorn knows any ASGI callable
        service.streams.close()
        await super().shutdown(sockets)
