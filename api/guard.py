"""What surrounds every request: who may ask, its id, and headers that keep a browser safe."""

from __future__ import annotations

import re
import secrets
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import problem

# Plotly and Swagger UI set styles from scripts and draw icons from data: addresses.
CONTENT_SECURITY_POLICY = "; ".join([
    "default-src 'self'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'self'",
])  # fmt: skip
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
# Probes of a cluster carry no token; what these answer without one are counts.
OPEN_PATHS = ("/healthz", "/readyz")


class Guard:
    """ASGI middleware. With a token every path but OPEN_PATHS asks for it as a bearer."""

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self.app = app
        self.token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        state = scope.setdefault("state", {})
        state["request_id"] = _request_id(headers.get("x-request-id"))
        state["trusted"] = self._is_trusted(headers)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                out = MutableHeaders(scope=message)
                out.update({**HEADERS, "X-Request-ID": state["request_id"]})
                if message["status"] in (200, 304):
                    out.update(state.get("headers", {}))
            await send(message)

        refused = self._refusal(Request(scope))
        await (refused or self.app)(scope, receive, send_guarded)

    def _refusal(self, request: Request) -> ASGIApp | None:
        if request.state.trusted or request.url.path in OPEN_PATHS:
            return None
        refusal = problem(request, 401, "a token is needed: Authorization: Bearer <token>")
        refusal.headers["WWW-Authenticate"] = "Bearer"
        return refusal

    def _is_trusted(self, headers: Headers) -> bool:
        if self.token is None:
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and secrets.compare_digest(
            given.strip().encode(), self.token.encode()
        )


def _request_id(given: str | None) -> str:
    """The caller's, if it is safe to write to a log; else a new one."""
    return given if given and re.fullmatch(r"[\w.-]{1,64}", given) else uuid.uuid4().hex
