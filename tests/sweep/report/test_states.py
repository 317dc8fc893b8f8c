"""States, counts and done work of sweeps, on plain rows."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from sweep.report.states import (
    driven_state,
    finite_eta,
    iterations_done,
    latest_first,
    rung_in_words,
    share_done,
    status_counts,
    stopped_at_rungs,
    undriven_state,
)


def trial(status: str, iteration: int | None = None) -> dict:
    return {"status": status, "iteration": iteration, "iterations": 100}


def test_the_latest_heartbeat_is_first_and_no_driver_last() -> None:
    heartbeats = {"b": datetime(2026, 1, 1, tzinfo=UTC), "d": datetime(2026, 1, 2, tzinfo=UTC)}
    assert latest_first({"c", "a", "b", "d"}, heartbeats) == ["d", "b", "a", "c"]


@pytest.mark.parametrize(
    ("reported", "live", "state"),
    [
        ("running", True, "running"),
        ("running", False, "stalled"),
        ("finished", False, "finished"),
        ("lost", False, "lost"),
        ("dreaming", True, "unknown"),
        (None, True, "unknown"),
    ],
)
def test_the_state_with_a_driver(reported: str | None, live: bool, state: str) -> None:
    assert driven_state(reported, live=live) == state


def test_the_state_without_a_driver() -> None:
    assert undriven_state([]) == undriven_state([trial("planned")]) == "planned"
    assert undriven_state([trial("planned"), trial("failed")]) == "unknown"


def test_counts_are_in_the_vocabularys_order() -> None:
    counts = status_counts(["stopped", "paused", "unreadable", "planned", "stopped"])
    assert list(counts.items()) == [
        ("planned", 1),
        ("stopped", 2),
        ("unreadable", 1),
        ("paused", 1),  # of a newer writer
    ]


@pytest.mark.parametrize("eta", [None, math.nan, math.inf])
def test_only_a_finite_eta_of_a_running_sweep_is_one(eta: float | None) -> None:
    assert finite_eta(eta, "running") is None
    assert (finite_eta(5.0, "running"), finite_eta(5.0, "stalled")) == (5.0, None)


@pytest.mark.parametrize(
    ("row", "done"),
    [
        (trial("collapsed", 40), 100),
        (trial("completed", 100), 100),
        (trial("stopped", 40), 40),
        (trial("running", 140), 100),
        (trial("planned"), 0),
    ],
)
def test_a_collapsed_trial_is_done_and_a_stopped_one_is_not(row: dict, done: int) -> None:
    assert iterations_done(row) == done


def test_what_a_rung_stopped_is_done_and_counted() -> None:
    halved = [trial("stopped", 50) | {"rung": k, "rung_budget": 10 * k} for k in (2, 1, 2)]
    stopped = trial("stopped", 50) | {"rung": None, "rung_budget": None}
    assert [iterations_done(each) for each in (*halved, stopped)] == [100, 100, 100, 50]
    gone_on = trial("running", 60) | {"rung": None, "rung_budget": None}
    assert stopped_at_rungs([*halved, stopped, gone_on]) == [(1, 10, 1), (2, 20, 2)]
    assert rung_in_words(1, 10, 1) == (
        "1 trial stopped at rung 1, after 10 iterations: not among the best"
    )


def test_the_share_is_of_iterations_and_not_of_trials() -> None:
    long = trial("running", 30) | {"iterations": 300}
    assert share_done([long, trial("collapsed", 10)]) == pytest.approx(130 / 400)
    assert share_done([]) == 0
