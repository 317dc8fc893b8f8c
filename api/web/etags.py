"""ETags over the data and the code behind a response, and a cache of responses by ETag."""

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

MOST_BYTES = 8 * 2**20
MOST_BYTES_OF_ONE = MOST_BYTES // 4
CACHED_TYPES = ("application/json", "text/csv")
# ETag, whether it is compressed, and where a proxy says that the service is.
Key = tuple[str, bool, str]


class NotModified(Exception):
    """The client has the response already: 304."""


def not_modified_or_continue(
    request: Request, version: str, media: str = "application/json"
) -> None:
    """Gives the response an ETag over `version`, address, media type and the client's rights.

    Ends the request by raising NotModified if the client has the response, and CachedResponse if
    the response cache has it. The ETag is weak, because the bytes depend on compression.
    What is never compressed has a strong one once its bytes are known: see `set_strong_etag`.
    """
    # Of a parameter that is repeated, such as `sort`, the order counts: a stable sort keeps it.
    query = "&".join(sorted(request.url.query.split("&"), key=lambda part: part.partition("=")[0]))
    state = request.state
    rights = f"{state.trusted} {state.may_control} {state.logged_in}"
    parts = [code_version(), version, media, rights, request.url.path, query]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
    request.state.headers = {
        "ETag": f'W/"{digest}"',
        "Cache-Control": "private, no-cache",
        "Vary": "Accept, Accept-Encoding, Authorization, Cookie",
    }
    client_tags = [tag.strip().removeprefix("W/") for tag in _if_none_match(request).split(",")]
    for tag in client_tags:
        if tag.startswith(f'"{digest}-'):
            request.state.headers["ETag"] = tag
        if tag in ("*", f'"{digest}"') or tag.startswith(f'"{digest}-'):
            raise NotModified
    _raise_if_cached(request, request.state.headers["ETag"])


def set_strong_etag(request: Request, content_digest: str) -> str:
    """Gives the response an ETag over its very bytes, which parts of it are put together by.

    It begins with the one that `not_modified_or_continue` gave it, for the client to come back
    with.
    """
    version = request.state.headers["ETag"].removeprefix("W/").strip('"')
    request.state.headers["ETag"] = f'"{version}-{content_digest}"'
    return request.state.headers["ETag"]


def _if_none_match(request: Request) -> str:
    return ",".join(request.headers.getlist("if-none-match"))


class CachedResponse(Exception):
    """The response cache has the response."""

    def __init__(self, response: Response) -> None:
        self.response = response


@dataclass(slots=True)
class ResponseCache:
    """The latest responses, of at most MOST_BYTES together."""

    size: int = 0
    _responses: OrderedDict[Key, Response] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: Key) -> Response | None:
        with self._lock:
            if key in self._responses:
                self._responses.move_to_end(key)
            return self._responses.get(key)

    def put(self, key: Key, response: Response) -> None:
        with self._lock:
            if key in self._responses or len(response.body) > MOST_BYTES_OF_ONE:
                return
            self._responses[key] = response
            self.size += len(response.body)
            while self.size > MOST_BYTES:
                self.size -= len(self._responses.popitem(last=False)[1].body)


def _raise_if_cached(request: Request, etag: str) -> None:
    """Raises CachedResponse if the cache has the response of that ETag."""
    response_cache: ResponseCache = request.app.state.response_cache
    response = response_cache.get(_key(request.scope, etag))
    if response is not None:
        raise CachedResponse(response)


def _key(scope: Scope, etag: str) -> Key:
    compressed = "gzip" in Headers(scope=scope).get("accept-encoding", "")
    return etag, compressed, scope.get("root_path", "")


class ResponseCaching:
    """ASGI middleware outside of the compression: caches the responses that it sends."""

    def __init__(self, app: ASGIApp, response_cache: ResponseCache) -> None:
        self.app = app
        self.response_cache = response_cache

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start: Message = {}
        parts: list[bytes] = []
        size = 0

        async def send_cached(message: Message) -> None:
            nonlocal start, size
            if message["type"] == "http.response.start":
                start = message
            elif _is_cacheable(start):
                part = message.get("body", b"")
                size += len(part)
                # Of a stream that will be too big nothing is collected any more.
                if size > MOST_BYTES_OF_ONE:
                    parts.clear()
                else:
                    parts.append(part)
                    if not message.get("more_body"):
                        self._cache_response(scope, start, b"".join(parts))
            await send(message)

        await self.app(scope, receive, send_cached)

    def _cache_response(self, scope: Scope, start: Message, body: bytes) -> None:
        etag = scope.get("state", {}).get("headers", {}).get("ETag")
        if etag is None:
            return
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        self.response_cache.put(_key(scope, etag), Response(body, headers=headers))


def _is_cacheable(start: Message) -> bool:
    return start.get("status") == 200 and any(
        name == b"content-type" and value.decode().split(";")[0] in CACHED_TYPES
        for name, value in start["headers"]
    )
