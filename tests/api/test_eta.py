"""The range of a sweep's time left."""

from __future__ import annotations

from typing import Any

import pytest

from api.sweeps.progress import time_left


def plan_of(
    *seconds: float | None, running: tuple[int, float] | None = None
) -> tuple[list[Any], dict[str, Any]]:
    """Trials of 100 iterations and 1e9 operations: ended ones by their seconds, None is planned.

    The running one, if any, is given by its iteration and seconds.
    """
    plan: list[Any] = []
    records: dict[str, Any] = {}
    done = [(100 if s is not None else 0, s, "completed" if s is not None else "planned")
            for s in seconds]  # fmt: skip
    done += [(*running, "running")] if running else []
    for k, (iteration, spent, status) in enumerate(done):
        who = {"trial_id": str(k), "setting": "C_32-32", "method": "sn"}
        plan.append({**who, "operations": 1e9})
        records[str(k)] = {
            **who, "iterations": 100, "iteration": iteration, "seconds": spent, "status": status,
        }  # fmt: skip
    return plan, records


def test_nothing_is_said_before_three_are_measured() -> None:
    assert time_left(*plan_of(10.0, 10.0, None), 2) is None
    assert time_left(*plan_of(10.0, 10.0, 10.0), 2) is None
    assert time_left(*plan_of(10.0, 10.0, 10.0, None), None) is None


def test_without_spread_the_range_is_a_point() -> None:
    left = time_left(*plan_of(10.0, 10.0, 10.0, None, None, None, None), 2)
    assert left is not None
    assert (left.p10, left.p50, left.p90) == pytest.approx((20, 20, 20))
    assert left.measured == 3


def test_the_range_is_that_of_the_rates() -> None:
    # Inclusive tenths of 8, 9, .., 12 are 8.4 and 11.6.
    left = time_left(*plan_of(8.0, 9.0, 10.0, 11.0, 12.0, None, None), 2)
    assert left is not None
    assert (left.p10, left.p50, left.p90) == pytest.approx((8.4, 10, 11.6))


def test_never_less_than_the_longest() -> None:
    left = time_left(*plan_of(10.0, 10.0, 10.0, None), 8)
    assert left is not None
    assert left.p50 == pytest.approx(10)


def test_a_running_trial_counts_as_far_as_it_is() -> None:
    plan, records = plan_of(10.0, 10.0, running=(40, 8.0))
    left = time_left(plan, records, 1)
    assert left is not None
    assert left.p50 == pytest.approx(60 * 0.1)  # at the median of 0.1, 0.1 and 0.2 s an iteration
    assert left.p90 > left.p50


def test_a_kind_with_three_measured_has_a_rate_of_its_own() -> None:
    plan, records = plan_of(10.0, 10.0, 10.0, 10.0, None)
    slow, slow_records = plan_of(30.0, 30.0, 30.0, None)
    for row in slow:
        key = f"slow-{row['trial_id']}"
        records[key] = slow_records[row["trial_id"]]
        plan.append({**row, "trial_id": key, "method": "sr-static"})
    left = time_left(plan, records, 1)
    assert left is not None
    assert left.p50 == pytest.approx(40)
    assert left.p10 == pytest.approx(left.p90)
