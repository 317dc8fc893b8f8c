"""Alerts of a sweep."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from api.sweeps.alerts import alerts, silent_trials

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def row(status: str = "completed", method: str = "sn", **columns: Any) -> dict[str, Any]:
    signals = dict.fromkeys(("mode_collapse_at", "dead_at", "diverged_at", "traceback"))
    return {"status": status, "method": method, **signals, **columns}


def test_a_sweep_that_is_well_has_none() -> None:
    assert alerts("running", "Running.", [row(), row("running"), row("planned")]) == []


def test_a_silent_driver_comes_first() -> None:
    for state in ("stalled", "interrupted", "lost"):
        first, *_ = alerts(state, "Silent.", [row("failed", traceback="E: x")])
        assert (first.sentence, first.serious) == ("Silent.", True)


def test_failures_are_told_with_the_commonest_reason() -> None:
    rows = [
        row("failed", traceback="Traceback\n  ...\nRuntimeError: out of memory"),
        row("failed", traceback="Traceback\nRuntimeError: out of memory\n"),
        row("failed", traceback=None),
    ]
    (alert,) = alerts("running", "", rows)
    assert alert.sentence == "3 trials failed, 2 of them with: RuntimeError: out of memory"
    assert alert.query == {"status": "failed"}


def test_collapses_are_counted_of_those_that_began() -> None:
    rows = [row("collapsed", mode_collapse_at=300), row(), row("planned"), row(method="sr-static")]
    (alert,) = alerts("finished", "", rows)
    assert alert.sentence == "Mode collapse in 1 trial: sn 1 of 2"
    assert not alert.serious


def test_collapses_that_are_not_judged_are_told_with_the_reason() -> None:
    never = json.dumps({"mode_collapse": "neither modes nor Inception scores were measured"})
    early = json.dumps({"mode_collapse": "too few evaluations so far"})
    rows = [row(not_judged=never), row(not_judged=never), row("running", not_judged=early), row()]
    (alert,) = alerts("running", "", rows)
    assert alert.sentence == (
        "Mode collapse is not judged in 2 trials: neither modes nor Inception scores were measured"
    )


def test_divergence_and_dead_discriminators_are_their_own() -> None:
    sentences = [a.sentence for a in alerts("finished", "", [row(diverged_at=5), row(dead_at=7)])]
    assert sentences == [
        "1 trial diverged: a loss or a weight was not finite",
        "A dead discriminator in 1 trial",
    ]


def running(minutes: float, host: str | None = "worker-1", **columns: Any) -> dict[str, Any]:
    """A running trial that last wrote so many minutes ago, an evaluation each minute."""
    defaults: dict[str, Any] = {"seconds": 600.0, "iteration": 100}
    defaults["config"] = '{"evaluate_every": 10}'
    return row(
        "running",
        updated_at=NOW - timedelta(minutes=minutes),
        host=host,
        **(defaults | columns),
    )


def test_a_running_trial_is_silent_after_minutes_and_three_of_its_evaluations() -> None:
    slow: dict[str, Any] = {"seconds": 6000.0}  # ten minutes for an evaluation
    rows = [running(4.9), running(5.1), running(29, **slow), running(31, **slow)]
    assert silent_trials(rows, NOW) == [rows[3], rows[1]]
    assert silent_trials([running(6, config=None), running(4, iteration=None)], NOW)
    assert silent_trials([running(90) | {"status": "completed"}], NOW) == []


def test_silent_trials_are_told_with_their_hosts() -> None:
    rows = [running(9, host) for host in ("a", "b", "b", None, "d")]
    (alert,) = alerts("running", "", rows, silent_trials(rows, NOW))
    assert alert.sentence.startswith("5 trials run and have not written for longer than 3 eval")
    assert alert.sentence.endswith(
        "since 2026-03-01 11:51 UTC, on a, b, a host without a name and 1 more"
    )
    assert alert.serious
    assert alert.query["status"] == "running"
    assert alerts("finished", "", rows, silent_trials(rows, NOW)) == []
