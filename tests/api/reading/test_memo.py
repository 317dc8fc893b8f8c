"""What is remembered by rows and by snapshots, and when it is worked out again."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Sequence
from typing import Any

from api.reading.memo import memoise_by_rows, memoise_by_snapshot, memoise_by_weight
from api.reading.snapshot import Snapshot


def weight_of_one(result: Any) -> int:
    return 1


def snapshot_of_nothing() -> Snapshot:
    return Snapshot("id", True, (), {}, {}, {}, {})


def test_results_of_a_snapshot_go_with_it() -> None:
    calls: list[str] = []

    class Result:
        """What weak references can be made to."""

    @memoise_by_snapshot(size=2)
    def work(snapshot: Snapshot, name: str) -> Result:
        calls.append(name)
        return Result()

    first, second = snapshot_of_nothing(), snapshot_of_nothing()
    assert work(first, "a") is work(first, "a")
    assert work(second, "a") is not work(first, "a")
    assert calls == ["a", "a"]
    gone = [weakref.ref(first), weakref.ref(work(first, "a"))]
    del first
    gc.collect()
    assert [reference() for reference in gone] == [None, None]
    # Of one snapshot the last two questions are kept.
    work(second, "b")
    work(second, "c")
    work(second, "a")
    assert calls == ["a", "a", "b", "c", "a"]


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

    @memoise_by_weight(1, weight_of_one)
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


def test_other_questions_do_not_wait() -> None:
    asked, may_go_on = threading.Event(), threading.Event()

    @memoise_by_weight(4, weight_of_one)
    def answer(question: str) -> str:
        if question == "slow":
            asked.set()
            assert may_go_on.wait(30)
        return question

    slow = threading.Thread(target=answer, args=("slow",))
    slow.start()
    assert asked.wait(30)
    other: list[str] = []
    quick = threading.Thread(target=lambda: other.append(answer("quick")), daemon=True)
    quick.start()
    quick.join(10)
    assert other == ["quick"]
    may_go_on.set()
    slow.join(30)


def test_a_failure_is_told_to_all_who_wait_and_forgotten() -> None:
    calls: list[int] = []
    asked, may_go_on = threading.Event(), threading.Event()

    @memoise_by_weight(1, weight_of_one)
    def fails_first(x: int) -> int:
        calls.append(x)
        asked.set()
        assert may_go_on.wait(30)
        if len(calls) == 1:
            raise ValueError("not yet")
        return x

    errors: list[ValueError] = []

    def ask() -> None:
        try:
            fails_first(3)
        except ValueError as error:
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
        assert asked.wait(30)
    may_go_on.set()
    for thread in threads:
        thread.join(30)
    # A thread that was late may have asked again, and have the result.
    assert 1 <= len(errors) <= 4
    assert fails_first(3) == 3
    assert calls == [3, 3]


def test_results_are_bounded_by_their_weight() -> None:
    calls: list[int] = []

    @memoise_by_weight(100, len)
    def zeros(n: int) -> bytes:
        calls.append(n)
        return bytes(n)

    for n in (40, 50, 40, 30, 40, 50):
        assert len(zeros(n)) == n
    # 50 went to make room for 30, as it was asked for longest ago.
    assert calls == [40, 50, 30, 50]
    assert len(zeros(101)) == 101
    assert len(zeros(101)) == 101
    assert calls[-2:] == [101, 101]
