"""Names of the trials that the tests of `/compare` put side by side."""

from __future__ import annotations

NAMES = ("healthy", "sn", "diverged", "failed", "planned", "foreign", "seed", "renorm")


def query_of(ids: dict[str, str], *names: str) -> dict[str, list[str]]:
    return {"t": [ids[name] for name in names]}
