"""The figure of a sweep's best scores."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from api.sweeps.figures import best_so_far

START = datetime(2026, 3, 1, tzinfo=UTC)


def row(minutes: float, best: float | None, method: str = "sn", **columns: Any) -> dict[str, Any]:
    return {
        "trial_id": f"{method}-{minutes}", "dataset": "digits8", "method": method,
        "status": "completed", "best_fd_digits": best, "best_fid": None, "started_at": START,
        "updated_at": START + timedelta(minutes=minutes), **columns,
    }  # fmt: skip


def test_a_step_is_a_trial_that_ended_better() -> None:
    rows = [row(30, 400.0), row(10, 500.0), row(20, 600.0), row(40, 300.0, status="running")]
    (line,) = best_so_far(rows, "/results").data
    assert line["x"] == [10, 30, 30]
    assert line["y"] == [500, 400, 400]


def test_each_method_and_data_set_has_a_line() -> None:
    rows = [row(10, 5.0), row(20, 4.0, "sr-static"), row(30, 3.0, dataset="digits16")]
    figure = best_so_far(rows, "/results")
    assert [(line["name"], line["yaxis"]) for line in figure.data] == [
        ("sn", "y"), ("sn", "y2"), ("sr-static", "y2"),
    ]  # fmt: skip
    assert figure.trials == 3


def test_nothing_finite_is_nothing_to_draw() -> None:
    assert best_so_far([row(10, math.nan), row(20, None)], "/results").empty
