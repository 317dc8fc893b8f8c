"""What is remembered by rows and by snapshots, and when it is worked out again."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

from api.reading.memo import memoise, memoise_by_rows


def test_rows_are_remembered_as_long_as_they_are_the_same() -> None:
    calls: list[str] = []

    @memoise_by_rows(size=2)
    def total(rows: Sequence[Any], name: str) -> int:
        calls.append(name)
        return sum(row[name] for row in rows)

    a, b = {"x": 1, "y": 5}, {"x": 2, "y": 7}
    assert total([a, b], "x") == total([a, b], "x") == 3
    assert calls == ["x"]
    assert total([a, b], "y") == 12
    # An equal row of a new snapshot is another one.
    assert total([dict(a), b], "x") == 3
    assert calls == ["x", "y", "x"]
    # Only two are held: the first one is gone.
    assert total([a, b], "x") == 3
    assert calls == ["x", "y", "x", "x"]


def test_rows_that_are_gone_do_not_lend_their_ids() -> None:
    @memoise_by_rows(size=50)
    def first(rows: Sequence[Any]) -> int:
        return rows[0]["x"]

    assert [first([{"x": k}]) for k in range(50)] == list(range(50))


def test_several_wait_for_one() -> None:
    calls: list[int] = []

    @memoise(size=1)
    def slow(x: int) -> int:
        calls.append(x)
        time.sleep(0.1)
        return 2 * x

    results: list[int] = []
    threads = [threading.Thread(target=lambda: results.append(slow(4))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [8] * 8
    assert calls == [4]
