"""Memoises functions of rows, of snapshots and of files: each question is computed once.

A row of a trial is one object from one snapshot to the next as long as its file is the same, and a
snapshot is one object until any file changes: results are memoised by the identity of these
objects.

Calls with the same arguments at the same time are in single flight: one computes, the others wait.
Calls with other arguments do not wait for them.
"""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Concatenate, Generic, ParamSpec, TypeVar

from api.reading.snapshot import Row, Snapshot

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(slots=True, eq=False)
class Results(Generic[R]):
    """The latest results by key, of which the weights are at most `most` together."""

    most: int
    weight: Callable[[R], int]
    total: int = 0
    _kept: OrderedDict[Hashable, R] = field(default_factory=OrderedDict)
    _flights: dict[Hashable, Future[R]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: Hashable, compute: Callable[[], R]) -> R:
        """The result of that key, computed if it is not kept.

        Raises what `compute` raises, in all threads that wait for it; the next call tries again.
        """
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            flight = self._flights.get(key)
            is_first = flight is None
            if flight is None:
                flight = self._flights[key] = Future()
        if is_first:
            self._fly(key, compute, flight)
        return flight.result()

    def _fly(self, key: Hashable, compute: Callable[[], R], flight: Future[R]) -> None:
        try:
            result = compute()
        except BaseException as error:
            with self._lock:
                del self._flights[key]
            flight.set_exception(error)
            return
        with self._lock:
            del self._flights[key]
            self._kept[key] = result
            self.total += self.weight(result)
            while self.total > self.most:
                self.total -= self.weight(self._kept.popitem(last=False)[1])
        flight.set_result(result)


def memoise_by_rows(
    size: int,
) -> Callable[
    [Callable[Concatenate[Sequence[Row], P], R]], Callable[Concatenate[Sequence[Row], P], R]
]:
    """Memoises a function of rows and of hashable values, by the rows' identity.

    Keeps the last `size` results.
    """

    def decorate(
        function: Callable[Concatenate[Sequence[Row], P], R],
    ) -> Callable[Concatenate[Sequence[Row], P], R]:
        # A result refers to its rows: another object could get the id of one that is deleted.
        results: Results[tuple[Sequence[Row], R]] = Results(size, lambda result: 1)

        @functools.wraps(function)
        def memoised(rows: Sequence[Row], *args: P.args, **kwargs: P.kwargs) -> R:
            key = (args, tuple(kwargs.items()), tuple(map(id, rows)))
            return results.get(key, lambda: (rows, function(rows, *args, **kwargs)))[1]

        return memoised

    return decorate


def memoise_by_snapshot(
    size: int = 1,
) -> Callable[[Callable[Concatenate[Snapshot, P], R]], Callable[Concatenate[Snapshot, P], R]]:
    """Memoises a slow function of a snapshot and of hashable values.

    Its last `size` results stay with the snapshot and go with it: nothing else keeps an old one.
    """

    def decorate(
        function: Callable[Concatenate[Snapshot, P], R],
    ) -> Callable[Concatenate[Snapshot, P], R]:
        @functools.wraps(function)
        def memoised(snapshot: Snapshot, *args: P.args, **kwargs: P.kwargs) -> R:
            results: Results[R] = snapshot.results.get(function) or snapshot.results.setdefault(
                function, Results(size, lambda result: 1)
            )
            key = (args, tuple(kwargs.items()))
            return results.get(key, lambda: function(snapshot, *args, **kwargs))

        return memoised

    return decorate


def memoise_by_weight(
    most: int, weight: Callable[[R], int]
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Memoises a function of hashable values: keeps the last results, `most` B of them together.

    `weight` is the size of a result in B, the same whenever it is asked for.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        results: Results[R] = Results(most, weight)

        @functools.wraps(function)
        def memoised(*args: P.args, **kwargs: P.kwargs) -> R:
            key = (args, tuple(kwargs.items()))
            return results.get(key, functools.partial(function, *args, **kwargs))

        return memoised

    return decorate
