"""Who may do what: two tokens, sent as a bearer or held by a browser's cookie.

Without a read token everybody may read who can reach the service; without a control token nobody
controls anything. The control token also reads.

The cookie holds no token but a value that follows from it alone: a restart keeps logins, another
token ends them, and who sees a cookie cannot send the token as a bearer.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request

COOKIE_SECONDS = 30 * 24 * 3600
# Compared in the place of a token that there is none of; nobody can know it.
_NOBODY = secrets.token_hex(32)
_LOCAL = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]{0,2000}")


@dataclass(frozen=True, slots=True)
class Tokens:
    """What lets a request read and control; None where there is none."""

    read: str | None = None
    control: str | None = None


@dataclass(frozen=True, slots=True)
class Authority:
    """What a request may do; `by_cookie` if a browser would have sent its proof unasked."""

    reads: bool
    controls: bool
    by_cookie: bool = False


def authority(tokens: Tokens, request: Request) -> Authority:
    """By the bearer, if one is given, else by the cookie."""
    header = request.headers.get("authorization")
    cookie = request.cookies.get(cookie_name(request), "")
    if header is not None:
        scheme, _, given = header.partition(" ")
        given = given.strip() if scheme.lower() == "bearer" else ""
        reads, controls = _compared(tokens, given, lambda token: token)
    else:
        reads, controls = _compared(tokens, cookie, cookie_value)
    known = reads or controls
    return Authority(known or tokens.read is None, controls, known and header is None)


def level(tokens: Tokens, given: str) -> Authority:
    """What a token that was typed in may do: nothing if it is none of them."""
    reads, controls = _compared(tokens, given.strip(), lambda token: token)
    return Authority(reads or controls, controls)


def _compared(tokens: Tokens, given: str, told: Callable[[str], str]) -> tuple[bool, bool]:
    """Whether it is the read and the control token's; takes as long whichever it is."""
    reads = _same(given, told(tokens.read or _NOBODY))
    controls = _same(given, told(tokens.control or _NOBODY))
    return reads, controls


def _same(given: str, known: str) -> bool:
    # Digests are of one length: how long a token is cannot be timed either.
    digests = [hashlib.sha256(text.encode("utf-8", "replace")).digest() for text in (given, known)]
    return hmac.compare_digest(*digests)


def cookie_value(token: str) -> str:
    """What a browser holds after a login with the token."""
    return hmac.new(token.encode(), b"srgan-sweep browser login", hashlib.sha256).hexdigest()


def cookie_name(request: Request) -> str:
    """With the port: a browser sends a host's cookies to all of its ports."""
    port = re.search(r":(\d{1,5})$", request.headers.get("host", ""))
    return "sweep_login" + (f"_{port[1]}" if port else "")


def is_from_here(request: Request) -> bool:
    """Whether a browser says that a page of this service sent the request.

    Browsers tell `Sec-Fetch-Site` over https and on the loopback, else `Origin`; that is compared
    by host and port, as only a proxy may know that https was spoken.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    scheme, there, origin = request.headers.get("origin", "").partition("://")
    host = request.headers.get("host", "")
    return bool(there and host) and _with_port(scheme, origin) == _with_port(scheme, host)


def _with_port(scheme: str, host: str) -> str:
    port = {"http": ":80", "https": ":443"}.get(scheme, "")
    return host.lower() if re.search(r":\d+$", host) else host.lower() + port


def local(address: str | None, otherwise: str) -> str:
    """The address if it is a path of this host, which no browser reads as another one's."""
    return address if address is not None and _LOCAL.fullmatch(address) else otherwise
