"""Slows down whoever guesses tokens: wrong ones are answered later and later, right ones at once.

A delay holds neither a thread nor anybody else's request. It makes guessing costly; what makes it
hopeless is the length of a token.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

FIRST_SECONDS = 0.25
# Less than a service that stops waits for its answers.
MOST_SECONDS = 4.0
# An address that sent nothing wrong for so long begins anew.
FORGET_SECONDS = 900.0
MOST_ADDRESSES = 4096
# Answers that wait keep a connection each; beyond so many they wait no longer.
MOST_WAITING = 1000
MOST_COOKIES = 1024


@dataclass(slots=True)
class Slowdown:
    """Wrong tokens by address. Used in the thread of the event loop alone, so without a lock."""

    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic
    waiting: int = 0
    # How many, and when the last one came; the address that was seen longest ago comes first.
    _wrong_tokens: OrderedDict[str, tuple[int, float]] = field(default_factory=OrderedDict)
    _refused_cookies: OrderedDict[str, None] = field(default_factory=OrderedDict)

    async def after_wrong_token(self, request: Request) -> None:
        """Waits before the answer to a token that is neither the read nor the control token."""
        delay = self._next_delay(address_of(request))
        if self.waiting >= MOST_WAITING:
            return
        self.waiting += 1
        try:
            await self.sleep(delay)
        finally:
            self.waiting -= 1

    async def after_wrong_cookie(self, request: Request, cookie: str) -> None:
        """Waits, but not for a cookie that was refused before or never was one of a login.

        After a change of tokens a browser sends its old one with every request: no guess.
        """
        if not re.fullmatch("[0-9a-f]{64}", cookie):
            return
        is_guess = cookie not in self._refused_cookies
        _remember(self._refused_cookies, cookie, None, MOST_COOKIES)
        if is_guess:
            await self.after_wrong_token(request)

    def _next_delay(self, address: str) -> float:
        count, last = self._wrong_tokens.get(address, (0, 0.0))
        now = self.clock()
        count = 1 if now - last > FORGET_SECONDS else count + 1
        _remember(self._wrong_tokens, address, (count, now), MOST_ADDRESSES)
        return min(FIRST_SECONDS * 2.0 ** min(count - 1, 30), MOST_SECONDS)


def address_of(request: Request) -> str:
    """The client's address; of IPv6 the network of 64 bits, which one client has for itself."""
    text = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text[:64]
    if address.version == 4 or address.ipv4_mapped is not None:
        return str(getattr(address, "ipv4_mapped", None) or address)
    return str(ipaddress.ip_network((int(address), 64), strict=False))


def _remember(values: OrderedDict[str, Any], key: str, value: Any, most: int) -> None:
    values[key] = value
    values.move_to_end(key)
    if len(values) > most:
        values.popitem(last=False)
