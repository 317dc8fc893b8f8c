"""Progress of a sweep, on made-up reports whose truth is known."""

from __future__ import annotations

import pytest

from sweep.report.progress import Progress, progress_of
from sweep.store.schemas import SCHEMAS
from trainer.config.costs import operations
from trainer.config.trial import trial_config

FAST = trial_config("digits", "C_8-32", "sn", 0, iterations=100)
SLOW = trial_config("digits", "D_512-256", "sn", 0, iterations=100)


def started(*final_rows) -> Progress:
    return progress_of([SLOW, FAST], dict(final_rows))


def report(config, iteration: int, spent: float, **changes) -> dict:
    base = {
        "trial": config.trial_id,
        "status": "running",
        "iteration": iteration,
        "resumed_at": 0,
        "spent": spent,
        "verdict": "healthy",
    }
    return base | changes


def test_the_eta_follows_measured_time_per_operation() -> None:
    progress = started()
    assert progress.eta_seconds is None
    progress.report(report(FAST, 50, 10.0))
    rate = 10.0 / (operations(FAST) / 2)
    assert progress.eta_seconds == pytest.approx(10.0 + operations(SLOW) * rate)
    # Two slots, but the longer trial alone takes longer than half of what is left.
    progress.slots = 2
    assert progress.eta_seconds == pytest.approx(operations(SLOW) * rate)
    progress.report(report(SLOW, 50, 30.0))
    # By then each trial is taken at its own speed: 10 s and 30 s left, side by side.
    assert progress.eta_seconds == pytest.approx(30.0)
    assert progress.busy_seconds == 40.0


def test_a_trial_that_had_ended_before_shows_what_was_seen_of_it() -> None:
    row = dict.fromkeys(SCHEMAS["trials"].names) | {
        "status": "collapsed",
        "iteration": 70,
        "mode_collapse_at": 30,
        "spectral_collapse_at": 55,
    }
    progress = started((FAST.trial_id, row))
    assert progress.trials[FAST.trial_id].verdict == "mode collapse at 30, spectral collapse at 55"
    assert progress.trials[SLOW.trial_id].verdict == "", "nothing is known of a planned trial"


def test_a_resumed_trial_is_not_timed_by_what_others_did() -> None:
    progress = started()
    progress.report(report(FAST, 75, 5.0, resumed_at=50))
    assert progress.trials[FAST.trial_id].operations_done == pytest.approx(operations(FAST) / 4)


def test_what_has_ended_takes_no_more_time() -> None:
    progress = started()
    progress.report(report(SLOW, 40, 8.0, status="collapsed"))
    progress.report(report(FAST, 100, 4.0, status="completed"))
    assert progress.eta_seconds == 0.0
    assert (progress.trials_ended, progress.counts) == (2, {"collapsed": 1, "completed": 1})


def test_a_value_that_is_not_finite_does_not_leave_the_last_one_standing() -> None:
    progress = started()
    progress.report(report(FAST, 10, 1.0, distance=900.0, modes=12))
    trial = progress.report(report(FAST, 20, 2.0, modes=3))
    assert (trial.distance, trial.modes) == (None, 3)
