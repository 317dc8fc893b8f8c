"""Tokens, and clients that log in with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx2

READ, CONTROL = "r" * 40, "c" * 40
STOP = {"action": "stop"}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def origin(http: httpx2.Client) -> dict[str, str]:
    return {"Origin": str(http.base_url).rstrip("/")}


def log_in(http: httpx2.Client, token: str, **form: str) -> httpx2.Response:
    return http.post("/login", data={"token": token, **form}, headers=origin(http))


@contextmanager
def logged_in(http: httpx2.Client, token: str) -> Iterator[httpx2.Client]:
    """A client with the cookie that a login with the token gives."""
    with httpx2.Client(base_url=http.base_url) as browser:
        assert log_in(browser, token).status_code == 303
        assert len(browser.cookies) == 1
        yield browser
