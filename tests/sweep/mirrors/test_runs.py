"""Runs of trials: what of the store's rows a tracker is given."""

from __future__ import annotations

import math
from typing import Any

from sweep.mirrors.runs import COLUMNS, Run, run_of
from sweep.store.tables import parse, pylist
from tests.sweep.mirrors.stored_sweep import STARTED_AT, StoredSweep, measured, picture


def run(sweep: StoredSweep, k: int = 0, service: str | None = None) -> Run:
    content = sweep.store.read(f"trials/t{k}.parquet")
    assert content is not None
    (row,) = pylist(parse(content, "trials", COLUMNS))
    return run_of(sweep.store, "demo", row, service)


def test_points_are_what_was_measured(sweep: StoredSweep) -> None:
    sweep.evaluate(0, 3)
    points = run(sweep).points(-1)
    assert [p.iteration for p in points] == [0, 50, 100]
    for point in points:
        values: dict[str, Any] = measured(0, point.iteration)
        ratios = values.pop("sigma2_ratio")
        values |= {f"sigma2_ratio/{n}": ratio for n, ratio in enumerate(ratios)}
        assert {k: repr(v) for k, v in point.scalars.items()} == {
            k: repr(v) for k, v in values.items()
        }
        assert point.time == STARTED_AT.timestamp() + point.iteration
        assert point.sample == picture(point.iteration)
    assert math.isnan(points[2].spectra[1][2])
    assert points[1].spectra == {n: [1.0, 0.5, 0.25] for n in (0, 1)}


def test_points_after_an_iteration_are_the_later_ones(sweep: StoredSweep) -> None:
    sweep.evaluate(0, 3)
    assert [p.iteration for p in run(sweep).points(50)] == [100]
    assert run(sweep).points(100) == []


def test_rows_after_the_trials_own_wait(sweep: StoredSweep) -> None:
    """Its row comes last: what stands in other tables before it may lack its spectra."""
    sweep.evaluate(0, 2)
    sweep.write(0, iteration=0)
    assert [p.iteration for p in run(sweep).points(-1)] == [0]


def test_a_trial_without_evaluations_has_no_points(sweep: StoredSweep) -> None:
    sweep.write(0, iteration=0)
    assert run(sweep).points(-1) == []


def test_tags_have_the_verdict_and_the_link(sweep: StoredSweep) -> None:
    sweep.evaluate(0, status="collapsed", mode_collapse_at=50, healthy=False, stop_reason="modes")
    tags = run(sweep, service="http://lab:8000/").tags
    assert tags == {
        "sweep": "demo",
        "trial_id": "t0",
        "status": "collapsed",
        "verdict": "mode collapse at 50",
        "healthy": "false",
        "mode_collapse_at": "50",
        "stop_reason": "modes",
        "link": "http://lab:8000/view/trials/t0",
    }
    assert run(sweep).labels == ("collapsed", "mode_collapse")


def test_what_was_not_judged_is_not_called_healthy(sweep: StoredSweep) -> None:
    sweep.evaluate(0, healthy=None, not_judged='{"mode_collapse": "no scores"}')
    tags = run(sweep).tags
    assert (tags["healthy"], tags["verdict"]) == ("not judged", "mode collapse not judged")


def test_a_failure_has_its_last_line(sweep: StoredSweep) -> None:
    sweep.evaluate(0, status="failed", failures=2, traceback="Traceback:\n x\nValueError: no\n")
    tags = run(sweep).tags
    assert (tags["failures"], tags["error"]) == ("2", "ValueError: no")


def test_scores_at_the_end_are_of_trials_that_have_ended(sweep: StoredSweep) -> None:
    sweep.evaluate(0, status="completed", final_fd_digits=math.inf, final_modes=7)
    assert run(sweep).end_scores == {"final/fd_digits": math.inf, "final/modes": 7.0}
    sweep.write(0, final_fd_digits=1.0)
    assert run(sweep).end_scores == {}


def test_parameters_are_the_configuration(sweep: StoredSweep) -> None:
    sweep.evaluate(0)
    assert run(sweep).parameters == {"method": "sn", "channels": 16, "decays": True}
    assert run(sweep).name == "C_8-32 sn seed 0"
