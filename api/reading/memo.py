"""What was worked out is not worked out again until something that it came from has changed.

A row of a trial is one object from one snapshot to the next as long as its file is the same, and a
snapshot is one until any file changes: what is worked out is remembered by these objects.
"""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

from api.reading.snapshot import Row

P = ParamSpec("P")
R = TypeVar("R")


def of_rows(size: int) -> Callable[
    [Callable[Concatenate[Sequence[Row], P], R]], Callable[Concatenate[Sequence[Row], P], R]
]:  # fmt: skip
    """Decorates a function of rows and of hashable values: its last `size` results are kept.

    What several ask for at once is worked out once, while the others wait.
    """

    def decorate(
        function: Callable[Concatenate[Sequence[Row], P], R],
    ) -> Callable[Concatenate[Sequence[Row], P], R]:
        # With a result its rows are held: another object could get the id of one that is gone.
        held: OrderedDict[tuple[Hashable, ...], tuple[Sequence[Row], R]] = OrderedDict()
        lock = threading.RLock()

        @functools.wraps(function)
        def remembering(rows: Sequence[Row], *args: P.args, **kwargs: P.kwargs) -> R:
            key = (args, tuple(kwargs.items()), tuple(map(id, rows)))
            with lock:
                if key not in held:
                    held[key] = rows, function(rows, *args, **kwargs)
                    if len(held) > size:
                        held.popitem(last=False)
                held.move_to_end(key)
                return held[key][1]

        return remembering

    return decorate


def once(size: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """`lru_cache` for a function of a snapshot that takes long: what several ask for at once is
    worked out once."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        cached: Callable[..., Any] = functools.lru_cache(maxsize=size)(function)
        lock = threading.RLock()

        @functools.wraps(function)
        def remembering(*args: P.args, **kwargs: P.kwargs) -> R:
            with lock:
                return cached(*args, **kwargs)

        return remembering

    return decorate
