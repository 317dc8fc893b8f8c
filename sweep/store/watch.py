"""A contender's own watch: for how long has the record of an owner not changed before its eyes?

Clocks of two machines may differ by minutes, so no time that another one wrote is compared. What
this process has seen it remembers by store and path, also between two tries to own a file, and
gives it to another process that tries next.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any, TypedDict

from sweep.store.store import Store


class Sighting(TypedDict):
    """The looks of a record, and for how many seconds it has been seen like that."""

    looks: str
    seconds: float


# By store and path: the looks of a record, and the monotonic time when they were first seen.
_sightings: dict[tuple[str, str], tuple[str, float]] = {}


def seconds_unchanged(store: Store, path: str, record: Mapping[str, Any]) -> float:
    """Notes how the record looks now; returns for how long it has been seen like that."""
    key, looks, now = (store.place, path), _looks(record), time.monotonic()
    earlier_looks, first_look = _sightings.get(key, (looks, now))
    if earlier_looks != looks:
        first_look = now
    _sightings[key] = looks, first_look
    return now - first_look


def sighting(store: Store, path: str) -> Sighting | None:
    """Returns how the record was last seen, to hand to another process; None if it never was."""
    noted = _sightings.get((store.place, path))
    return noted and {"looks": noted[0], "seconds": time.monotonic() - noted[1]}


def remember(store: Store, path: str, handed: Sighting) -> None:
    """Takes over the sighting of another process, unless this one has seen the same for longer."""
    noted = sighting(store, path)
    if noted is None or noted["looks"] != handed["looks"] or noted["seconds"] < handed["seconds"]:
        _sightings[store.place, path] = handed["looks"], time.monotonic() - handed["seconds"]


def forget(store: Store, path: str) -> None:
    """Forgets a record that nobody waits for any more."""
    _sightings.pop((store.place, path), None)


def _looks(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:16]
