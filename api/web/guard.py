"""Middleware around every request: host, authority, request id, headers for browsers' safety."""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.web.access import Authority, Tokens, authority, is_from_here
from api.web.addresses import is_page, path_in, path_of, public_address
from api.web.hosts import unexpected_host
from api.web.problems import problem
from api.web.slowdown import Slowdown

# The styles that Plotly adds to a page: an element that it fills rule by rule, which is empty when
# the browser checks it, and the style of the maps of plotly.js 4.1.1. With another Plotly the
# second one is refused, which harms nothing but tells the browser's console the new digest.
PLOTLY_STYLES = (
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' "
    "'sha256-ji27qzEtxXZW+7dun6UwjHXJ18e6WAin1VvNtkzIE/o='"
)
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'self'",
        "script-src 'self'",
        "connect-src 'self'",
        "worker-src 'self'",
        f"style-src 'self' {PLOTLY_STYLES}",
        # Plotly styles the text of its figures by attributes, and swatches have theirs.
        "style-src-attr 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    ]
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
LOGINS = ("/login", "/logout")
# Probes of a cluster carry no token; what these answer without one are counts.
OPEN_PATHS = ("/healthz", "/readyz", *LOGINS)
# The same files for everybody, and none of the store's.
OPEN_FOLDERS = ("/static/", "/assets/")
HARMLESS = ("GET", "HEAD", "OPTIONS")


class Guard:
    """ASGI middleware: `trusted` and `may_control` in every request's state, and refusals.

    `allowed_hosts` are canonical; None if a request may name any host.
    """

    def __init__(
        self,
        app: ASGIApp,
        tokens: Tokens,
        slowdown: Slowdown,
        allowed_hosts: Collection[str] | None,
    ) -> None:
        self.app = app
        self.tokens = tokens
        self.slowdown = slowdown
        self.allowed_hosts = allowed_hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["request_id"] = _request_id(Headers(scope=scope).get("x-request-id"))
        request = Request(scope)
        rights = authority(self.tokens, request)
        state |= {
            "trusted": rights.reads,
            "may_control": rights.controls,
            "logged_in": rights.by_cookie,
            "can_log_in": self.tokens != Tokens() and not rights.by_cookie,
        }

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                out = MutableHeaders(scope=message)
                out.update({**HEADERS, "X-Request-ID": state["request_id"]})
                if message["status"] in (200, 304):
                    out.update(state.get("headers", {}))
            await send(message)

        refused = self._misdirected(request)
        if refused is None:
            await self._slow_down(request, rights)
            refused = _refusal(request, rights)
        await (refused or self.app)(scope, receive, send_guarded)

    def _misdirected(self, request: Request) -> ASGIApp | None:
        if self.allowed_hosts is None:
            return None
        host = unexpected_host(request, self.allowed_hosts)
        if host is None:
            return None
        detail = (
            f"this service was asked as host {host[:253]!r}, which it does not go by: "
            f"if it should, start it with --allow-host {host[:253]}"
        )
        return problem(request, 421, detail)

    async def _slow_down(self, request: Request, rights: Authority) -> None:
        if path_of(request).startswith(OPEN_FOLDERS):
            return  # the answer does not depend on the token, and so tells nothing of it
        if rights.wrong_token:
            await self.slowdown.after_wrong_token(request)
        elif rights.wrong_cookie:
            await self.slowdown.after_wrong_cookie(request, rights.wrong_cookie)


def _refusal(request: Request, rights: Authority) -> ASGIApp | None:
    path = path_of(request)
    changes = request.method not in HARMLESS
    if changes and (rights.by_cookie or path in LOGINS) and not is_from_here(request):
        # Else any page of the web could have a browser that is logged in send it.
        detail = "a browser may send this from a page of this service only; programs send a token"
        return problem(request, 403, detail)
    if rights.reads or path in OPEN_PATHS or path.startswith(OPEN_FOLDERS):
        return None
    if is_page(request):
        return _to_login(request)
    refusal = problem(request, 401, "a token is needed: Authorization: Bearer <token>")
    refusal.headers["WWW-Authenticate"] = "Bearer"
    return refusal


def _to_login(request: Request) -> ASGIApp:
    """Redirects a person to the login, which leads back."""
    page = str(request.url) if request.method == "GET" else request.headers.get("referer")
    if "hx-request" not in request.headers:
        return RedirectResponse(_login_address(request, page), 303)
    # The request was for a part of a page: the whole page has to go.
    refusal = problem(request, 401, "log in again")
    refusal.headers["HX-Redirect"] = _login_address(request, request.headers.get("hx-current-url"))
    return refusal


def _login_address(request: Request, page: str | None) -> str:
    return public_address(
        request, f"/login?next={quote(path_in(page) or public_address(request, '/'), safe='/')}"
    )


def _request_id(proposed: str | None) -> str:
    """The caller's id, if it is safe to write to a log; else a new one."""
    return proposed if proposed and re.fullmatch(r"[\w.-]{1,64}", proposed) else uuid.uuid4().hex
