"""Authorises requests by two tokens, sent as a bearer or kept in a browser's cookie.

Without a read token everybody may read who can reach the service; without a control token nobody
controls anything. The control token also reads.

The cookie holds no token but a value that follows from it alone: a restart keeps logins, another
token ends them, and who sees a cookie cannot send the token as a bearer.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request

from api.web.addresses import base_of
from trainer.config.lookup import UsageError

COOKIE_SECONDS = 30 * 24 * 3600
# Compared in place of a token that is not set; nobody can know it.
_NOBODY = secrets.token_hex(32)
# Nobody guesses one of so many characters, however fast.
SHORTEST_TOKEN = 32
MAKE_TOKEN = "python -c 'import secrets; print(secrets.token_urlsafe(32))'"
_LOCAL = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]{0,2000}")


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens that let a request read and control; None where there is none."""

    read: str | None = None
    control: str | None = None


@dataclass(frozen=True, slots=True)
class Authority:
    """Rights of a request; `by_cookie` if a browser would have sent its proof unasked.

    `wrong_token` and `wrong_cookie` are what was sent and proves nothing.
    """

    reads: bool
    controls: bool
    by_cookie: bool = False
    wrong_token: str = ""
    wrong_cookie: str = ""


def read_tokens(read: str | None, control: str | None) -> Tokens:
    """Reads the tokens from files, else from the environment.

    Raises UsageError for a file without a token, and a token that is short, equal to the other or
    cannot be sent.
    """
    tokens = Tokens(_token(read, "SWEEP_API_TOKEN"), _token(control, "SWEEP_API_CONTROL_TOKEN"))
    if tokens.read is not None and tokens.read == tokens.control:
        raise UsageError(
            "the read token and the control token are equal, so whoever reads would control: "
            f"make two, each by {MAKE_TOKEN}"
        )
    return tokens


def _token(path: str | None, variable: str) -> str | None:
    source = f"the token file {path}" if path else variable
    try:
        token = (Path(path).read_text() if path else os.environ.get(variable, "")).strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(f"cannot read {source}: {reason}") from error
    if path and not token:
        raise UsageError(f"{source} is empty")
    if not re.fullmatch(r"[!-~]*", token):
        raise UsageError(
            f"the token of {source} has spaces or letters beyond ASCII, which no header can "
            f"carry: make a good one by {MAKE_TOKEN}"
        )
    if 0 < len(token) < SHORTEST_TOKEN:
        raise UsageError(
            f"the token of {source} can be guessed: it takes at least {SHORTEST_TOKEN} "
            f"characters, make one by {MAKE_TOKEN}"
        )
    return token or None


def authority(tokens: Tokens, request: Request) -> Authority:
    """Rights by the bearer token, if one is sent, else by the cookie."""
    header = request.headers.get("authorization")
    cookie = request.cookies.get(cookie_name(request), "")
    if header is not None:
        cookie = ""
        scheme, _, token = header.partition(" ")
        token = token.strip() if scheme.lower() == "bearer" else ""
        reads, controls = _matches(tokens, token, lambda token: token)
    else:
        token = ""
        reads, controls = _matches(tokens, cookie, cookie_value)
    if reads or controls:
        return Authority(True, controls, by_cookie=header is None)
    if tokens == Tokens():  # there is none to guess
        return Authority(True, False)
    return Authority(tokens.read is None, False, wrong_token=token, wrong_cookie=cookie)


def authority_of_token(tokens: Tokens, typed: str) -> Authority:
    """Rights of a token that a person typed in: none if it is neither."""
    reads, controls = _matches(tokens, typed.strip(), lambda token: token)
    return Authority(reads or controls, controls)


def _matches(tokens: Tokens, proof: str, proof_of: Callable[[str], str]) -> tuple[bool, bool]:
    """Compares the proof with that of the read and of the control token, in constant time."""
    reads = _is_equal(proof, proof_of(tokens.read or _NOBODY))
    controls = _is_equal(proof, proof_of(tokens.control or _NOBODY))
    return reads, controls


def _is_equal(proof: str, expected: str) -> bool:
    # Digests are of one length: how long a token is cannot be timed either.
    digests = [
        hashlib.sha256(text.encode("utf-8", "replace")).digest() for text in (proof, expected)
    ]
    return hmac.compare_digest(*digests)


def cookie_value(token: str) -> str:
    """The cookie's value after a login with the token."""
    return hmac.new(token.encode(), b"srgan-sweep browser login", hashlib.sha256).hexdigest()


def cookie_name(request: Request) -> str:
    """The cookie's name, with port and path.

    A browser sends a host's cookies to all of its ports, and those of `/` to every path below.
    """
    port = re.search(r":(\d{1,5})$", request.headers.get("host", ""))
    return "sweep_login" + (f"_{port[1]}" if port else "") + base_of(request).replace("/", "_")


def is_from_here(request: Request) -> bool:
    """Tells by the browser's headers if a page of this service sent the request.

    Browsers tell `Sec-Fetch-Site` over https and on the loopback, else `Origin`; that is compared
    by host and port, as only a proxy may know that https was spoken.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    scheme, separator, origin = request.headers.get("origin", "").partition("://")
    host = request.headers.get("host", "")
    return bool(separator and host) and _with_port(scheme, origin) == _with_port(scheme, host)


def _with_port(scheme: str, host: str) -> str:
    port = {"http": ":80", "https": ":443"}.get(scheme, "")
    return host.lower() if re.search(r":\d+$", host) else host.lower() + port


def local_address_or(address: str | None, default: str) -> str:
    """The address if every browser reads it as a path of this host, else the default."""
    return address if address is not None and _LOCAL.fullmatch(address) else default
