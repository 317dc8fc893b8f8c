"""Checks the host that a request names, against DNS rebinding.

The owner of a web page can let the name of its site resolve to this machine. To a browser the
service is then of that site, whose page may read all that it answers; only `Host` tells. A browser
never leaves that header out, and an address in it is the one that it connects to.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection

from starlette.requests import Request

from trainer.config.lookup import UsageError

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\[\]:]*)(:\d{0,5})?")
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")


def canonical_host(text: str) -> str:
    """The host of a `Host` header, in lower case, with neither port nor brackets."""
    match = _HOST.fullmatch(text.strip().lower())
    host = match[1].strip("[]").removesuffix(".") if match else text
    address = _address(host)
    return host if address is None else str(address)


def read_allowed_hosts(names: Collection[str]) -> tuple[str, ...]:
    """The hosts that were given. Raises UsageError for a text that is neither name nor address."""
    for name in names:
        if _address(name.strip("[]")) is None and not _NAME.fullmatch(name.lower()):
            raise UsageError(
                f"--allow-host {name!r} is no host: it takes a name or address without a port, "
                "such as sweeps.example.org"
            )
    return tuple(names)


def unexpected_host(request: Request, allowed: Collection[str]) -> str | None:
    """The host that a request names and should not, if any; `allowed` are canonical hosts.

    Expected are the loopback, the address that the client connected to, and what is allowed.
    """
    server = request.scope.get("server") or ("", None)
    own = canonical_host(server[0])
    for header in request.headers.getlist("host"):
        host = canonical_host(header)
        if not (is_loopback(host) or host == own or host in allowed):
            return host
    return None


def is_loopback(host: str) -> bool:
    """True for names and addresses that browsers never resolve to another machine."""
    address = _address(host)
    if address is not None:
        return address.is_loopback
    return host == "localhost" or host.endswith(".localhost")


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
