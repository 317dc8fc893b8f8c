"""Owners as others see them, who want nothing of theirs but an answer."""

from __future__ import annotations

import time

from sweep.store.ownership import RELEASED_BYTES, is_live, may_live, read_owner
from sweep.store.store import Store

# Longer than two heartbeats of a sweep's driver.
WATCHED_SECONDS = 8.0


def has_live_owner(store: Store, path: str) -> bool:
    """Tells whether the owner by the record at `path` can write.

    One that is silent by this clock, which may be ahead of its own, is watched: it lives if its
    record changes within WATCHED_SECONDS.
    """
    owner = read_owner(store, path)
    if owner is None:
        return False
    try:
        if is_live(owner):
            return True
    except (KeyError, TypeError, ValueError):
        return False  # no record of an owner
    deadline = time.monotonic() + WATCHED_SECONDS
    while may_live(owner) and time.monotonic() < deadline:
        time.sleep(0.5)
        if read_owner(store, path) != owner:
            return True
    return False


def owned_keys(store: Store, folder: str) -> set[str]:
    """Names of the records in a folder that have an owner, live or dead, by their size alone."""
    return {file.key for file in store.list(folder) if file.size > RELEASED_BYTES}
