"""Progress of a sweep, on made-up reports whose truth is known."""

from __future__ import annotations

from collections import Counter
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep.report.display import trial_line
from sweep.report.progress import FINAL_STATUSES, Progress, progress_of
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


def plain_eta(progress: Progress) -> float | None:
    """The time left as the sums over all trials give it."""
    trials = progress.trials.values()
    done = sum(trial.operations_done for trial in trials)
    if not done:
        return None
    rate = sum(trial.spent for trial in trials) / done
    seconds_left = [
        trial.operations_left * rate if trial.eta_seconds is None else trial.eta_seconds
        for trial in trials
    ]
    return max(sum(seconds_left) / progress.slots, max(seconds_left))


MANY = [
    trial_config("digits", setting, "sn", seed, iterations=100)
    for setting in ("C_8-32", "D_512-256", "B_64-64")
    for seed in range(2)
]
NUMBERS = st.integers(0, len(MANY) - 1)
REPORTS = st.builds(
    lambda number, done, more, spent, status: report(
        MANY[number], done + more, spent if more else 0.0, resumed_at=done, status=status
    ),
    NUMBERS,
    st.integers(0, 50),
    st.integers(0, 50),
    st.floats(0, 1e4),
    st.sampled_from(["running", "stopped", "completed", "collapsed"]),
)
STATUSES = st.tuples(NUMBERS, st.sampled_from(["planned", "waiting", "failed", "stopped"]))


@given(st.lists(REPORTS | STATUSES | NUMBERS, max_size=40), st.integers(1, 4))
def test_what_is_kept_from_report_to_report_is_the_sum_over_all_trials(
    steps: list[Any], slots: int
) -> None:
    progress = progress_of(MANY[1:], {})
    progress.add(MANY[0], None)
    progress.slots = slots
    total = sum(operations(config) for config in MANY)
    for step in steps:
        if isinstance(step, dict):
            assert progress.report(step) is progress.trials[step["trial"]]
        elif isinstance(step, tuple):
            trial_id = MANY[step[0]].trial_id
            assert progress.set_status(trial_id, step[1]).status == step[1]
        else:
            progress.report({"trial": MANY[step].trial_id, "status": "stopped"})
        trials = progress.trials.values()
        assert progress.counts == Counter(trial.status for trial in trials)
        assert progress.trials_ended == sum(t.status in FINAL_STATUSES for t in trials)
        assert progress.operations == pytest.approx(total)
        assert progress.operations_left == pytest.approx(
            sum(trial.operations_left for trial in trials), abs=1e-9 * total
        )
        assert progress.busy_seconds == pytest.approx(sum(t.spent for t in trials), abs=1e-6)
        eta = plain_eta(progress)
        assert progress.eta_seconds == (eta if eta is None else pytest.approx(eta, abs=1e-6))


def test_a_trial_changes_through_its_progress_alone() -> None:
    """Sums would not know of it otherwise."""
    trial = started().trials[FAST.trial_id]
    with pytest.raises(FrozenInstanceError):
        trial.status = "failed"  # pyright: ignore[reportAttributeAccessIssue]


def test_a_report_costs_the_same_of_many_trials_as_of_few() -> None:
    """Counted are the trials that are looked at."""
    looked_at: list[str] = []

    class Watched(dict[str, Any]):
        def __getitem__(self, trial_id: str) -> Any:
            looked_at.append(trial_id)
            return super().__getitem__(trial_id)

        def values(self) -> Any:
            looked_at.extend(self)
            return super().values()

    config = trial_config("digits", "C_8-32", "sn", 0, iterations=100)
    first = progress_of([config], {}).trials[config.trial_id]
    progress = Progress({f"trial {n}": first for n in range(1000)})
    progress._trials = Watched(progress._trials)
    for n in range(50):
        for iteration in (50, 100):
            status = "running" if iteration == 50 else "completed"
            result = report(FAST, iteration, 1.0, status=status) | {"trial": f"trial {n}"}
            trial_line(progress, progress.report(result))
    assert len(looked_at) < 10 * 100


def test_nothing_is_left_of_a_trial_that_a_rung_stopped_until_it_is_asked_for_again() -> None:
    progress = started()
    progress.report(report(FAST, 50, 10.0))
    progress.report({"trial": FAST.trial_id, "status": "stopped", "saved_at": 51})
    assert (progress.trials_ended, progress.operations_left) == (
        0, operations(SLOW) + operations(FAST) / 2,
    )  # fmt: skip
    progress.report({"trial": FAST.trial_id, "status": "stopped", "saved_at": 51, "rung": 1})
    assert (progress.trials_ended, progress.operations_left) == (1, operations(SLOW))
    progress.set_status(FAST.trial_id, "planned")
    assert progress.trials_ended == 0
    row = dict.fromkeys(SCHEMAS["trials"].names) | {"status": "stopped", "iteration": 50}
    assert started((FAST.trial_id, row | {"rung": 1})).trials_ended == 1
    assert started((FAST.trial_id, row)).trials_ended == 0
