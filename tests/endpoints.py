"""Roots of a bucket by the address of their server, and the same by way of another port."""

from __future__ import annotations

import re

_ENDPOINT = re.compile(r"endpoint_override=([\d.]+):(\d+)")


def address_of(root: str) -> tuple[str, int]:
    """Host and port of the server of a root."""
    found = _ENDPOINT.search(root)
    assert found is not None
    return found[1], int(found[2])


def by_way_of(root: str, port: int) -> str:
    """The same root by a port of this machine."""
    return _ENDPOINT.sub(f"endpoint_override=127.0.0.1:{port}", root)
