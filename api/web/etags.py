"""ETags: a response is fresh as long as what it was made from, and what made it, is the same."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from fastapi import Request
from fastapi.responses import Response
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.reading.version import code_version

MOST_BYTES = 32 * 2**20
KEPT_TYPES = ("application/json", "text/csv")
# ETag, whether it is compressed, and where a proxy says that the service is.
Key = tuple[str, bool, str]


class NotModified(Exception):
    """The client has it already: 304."""


def conditional(request: Request, version: str, media: str = "application/json") -> None:
    """Gives the response an ETag over `version`, address, media type and what the asker may do.

    Raises NotModified if the client has it, and Known if it was made before. Weak, because the
    bytes depend on compression.
    """
    query = "&".join(sorted(request.url.query.split("&")))
    state = request.state
    may = f"{state.trusted} {state.may_control} {state.logged_in}"
    parts = [code_version(), version, media, may, request.url.path, query]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
    request.state.headers = {
        "ETag": f'W/"{digest}"',
        "Cache-Control": "private, no-cache",
        "Vary": "Accept, Accept-Encoding, Authorization, Cookie",
    }
    known = [tag.strip().removeprefix("W/") for tag in _if_none_match(request).split(",")]
    if f'"{digest}"' in known or "*" in known:
        raise NotModified
    recall(request, request.state.headers["ETag"])


def _if_none_match(request: Request) -> str:
    return ",".join(request.headers.getlist("if-none-match"))


class Known(Exception):
    """The answer has been given before: `response`."""

    def __init__(self, response: Response) -> None:
        self.response = response


@dataclass(slots=True)
class Answers:
    """The latest answers, of at most MOST_BYTES together."""

    size: int = 0
    _held: OrderedDict[Key, Response] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: Key) -> Response | None:
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
            return self._held.get(key)

    def put(self, key: Key, response: Response) -> None:
        with self._lock:
            if key in self._held or len(response.body) > MOST_BYTES // 4:
                return
            self._held[key] = response
            self.size += len(response.body)
            while self.size > MOST_BYTES:
                self.size -= len(self._held.popitem(last=False)[1].body)


def recall(request: Request, etag: str) -> None:
    """Raises Known if the answer of that ETag is held."""
    answers: Answers = request.app.state.answers
    known = answers.get(_key(request.scope, etag))
    if known is not None:
        raise Known(known)


def _key(scope: Scope, etag: str) -> Key:
    compressed = "gzip" in Headers(scope=scope).get("accept-encoding", "")
    return etag, compressed, scope.get("root_path", "")


class Keeper:
    """ASGI middleware outside of the compression: keeps what it sees leaving."""

    def __init__(self, app: ASGIApp, answers: Answers) -> None:
        self.app = app
        self.answers = answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start: Message = {}
        body = b""

        async def send_kept(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
            elif _is_kept(start):
                body += message.get("body", b"")
                if not message.get("more_body"):
                    self._keep(scope, start, body)
            await send(message)

        await self.app(scope, receive, send_kept)

    def _keep(self, scope: Scope, start: Message, body: bytes) -> None:
        etag = scope.get("state", {}).get("headers", {}).get("ETag")
        if etag is None:
            return
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        self.answers.put(_key(scope, etag), Response(body, headers=headers))


def _is_kept(start: Message) -> bool:
    return start.get("status") == 200 and any(
        name == b"content-type" and value.decode().split(";")[0] in KEPT_TYPES
        for name, value in start["headers"]
    )
