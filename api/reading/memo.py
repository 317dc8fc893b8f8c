"""Memoises functions of rows and of snapshots, with single flight.

A row of a trial is one object from one snapshot to the next as long as its file is the same, and a
snapshot is one object until any file changes: results are memoised by the identity of these
objects.
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


def memoise_by_rows(
    size: int,
) -> Callable[
    [Callable[Concatenate[Sequence[Row], P], R]], Callable[Concatenate[Sequence[Row], P], R]
]:
    """Memoises a function of rows and of hashable values, by the rows' identity.

    Keeps the last `size` results. Calls at the same time are in single flight: one computes, the
    others wait.
    """

    def decorate(
        function: Callable[Concatenate[Sequence[Row], P], R],
    ) -> Callable[Concatenate[Sequence[Row], P], R]:
        # A result refers to its rows: another object could get the id of one that is deleted.
        results: OrderedDict[tuple[Hashable, ...], tuple[Sequence[Row], R]] = OrderedDict()
        lock = threading.RLock()

        @functools.wraps(function)
        def memoised(rows: Sequence[Row], *args: P.args, **kwargs: P.kwargs) -> R:
            key = (args, tuple(kwargs.items()), tuple(map(id, rows)))
            with lock:
                if key not in results:
                    results[key] = rows, function(rows, *args, **kwargs)
                    if len(results) > size:
                        results.popitem(last=False)
                results.move_to_end(key)
                return results[key][1]

        return memoised

    return decorate


def memoise(size: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Memoises a slow function of a snapshot: an `lru_cache` with single flight."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        cached: Callable[..., Any] = functools.lru_cache(maxsize=size)(function)
        lock = threading.RLock()

        @functools.wraps(function)
        def memoised(*args: P.args, **kwargs: P.kwargs) -> R:
            with lock:
                return cached(*args, **kwargs)

        return memoised

    return decorate
