"""Puts of one key in the order in which they were made, whatever the network does to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sweep.store.objects import Objects, Version

# Times that others may replace an object before who writes it gives up.
ROUNDS = 50
# A body up to here may be sent in vain, to an object that turns out to be there.
SMALL_BYTES = 100_000


def put_in_order(
    objects: Objects,
    versions: dict[str, Version | None],
    path: str,
    content: bytes,
    confirm: Callable[[], None],
) -> None:
    """Replaces the object of `versions`, which remembers by path what this process wrote last.

    A put that is late names a version that is no more, and is refused. One of another writer may
    have come first: it is replaced after `confirm`, which raises if that is not to be. Raises
    OSError if others replace it again and again.
    """
    from sweep.store.objects import Changed

    if path not in versions and len(content) > SMALL_BYTES:
        versions[path] = objects.version(path)
        confirm()
    for _ in range(ROUNDS):
        try:
            versions[path] = objects.put(path, content, versions.get(path))
            return
        except Changed:
            if path not in versions:  # nor is it new, as most small files are
                versions[path] = objects.version(path)
                confirm()
                continue
        stored, versions[path] = objects.get(path)
        if stored == content:
            return  # an earlier try of this put, whose answer was lost
        confirm()
    raise OSError(f"it was replaced each of the {ROUNDS} times that it was to be")


def change_in_order(
    objects: Objects, path: str, change: Callable[[bytes | None], bytes | None]
) -> None:
    """Replaces an object by what `change` makes of its bytes, unless that is None.

    Another writer's put in between is seen: `change` then is asked again. Raises OSError if that
    happens again and again, and ValueError for no bytes, as no object is removed in order.
    """
    from sweep.store.objects import Changed

    wanted = None
    for _ in range(ROUNDS):
        stored, version = objects.get(path)
        if wanted is not None and stored == wanted:
            return  # the put has come through, and its answer was lost
        wanted = change(stored)
        if wanted is None:
            return
        if not wanted:
            raise ValueError(f"{path} cannot be removed in order")
        try:
            objects.put(path, wanted, version)
            return
        except Changed:
            continue
    raise OSError(f"it was replaced each of the {ROUNDS} times that it was to be")
