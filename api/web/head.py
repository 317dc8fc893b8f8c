"""Answers HEAD wherever GET is answered: the same status and headers, and no body."""

from __future__ import annotations

import anyio
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# A part of a body can be asked for by GET alone (RFC 9110, 14.2).
ABOUT_PARTS = (b"range", b"if-range")


class Head:
    """ASGI middleware: has HEAD answered as GET, and ends the answer behind its headers.

    What has no Content-Length is a stream, of which nothing more is made.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        headers = [pair for pair in scope["headers"] if pair[0] not in ABOUT_PARTS]
        as_get = {**scope, "method": "GET", "headers": headers}
        with anyio.CancelScope() as work:

            async def send_head(message: Message) -> None:
                is_start = message["type"] == "http.response.start"
                if is_start:
                    await send(message)
                if is_start and "content-length" in Headers(raw=message["headers"]):
                    return  # the whole body comes next, and may be kept for a GET
                await send({"type": "http.response.body", "body": b""})
                if is_start or message.get("more_body"):
                    work.cancel()
                    await anyio.sleep(0)

            try:
                await self.app(as_get, receive, send_head)
            finally:
                # What was found on the way, such as the route, for those outside.
                scope.update({**as_get, "method": "HEAD", "headers": scope["headers"]})
