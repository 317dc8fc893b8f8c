"""The contest on runs whose every number is known."""

from __future__ import annotations

import pytest

from sweep.paper.contest import judged
from sweep.paper.detectors import DETECTORS, Run

SIGMA = DETECTORS[0]
CALIBRATION = (100, 101)


def run(seed: int, onset: int | None, alarms, method: str = "sn") -> Run:
    return Run(
        trial_id=f"{method}-{seed}-{onset}",
        setting="C_32-32",
        method=method,
        seed=seed,
        iterations=1000,
        onset=onset,
        alarms={SIGMA.name: alarms},
    )


ILL, WELL = [(200, 0.1), (400, 0.6), (600, 0.8)], [(200, 0.1), (400, 0.2), (600, 0.2)]
TUNING = [run(100, 500, ILL), run(101, None, WELL)]


def test_leads_hits_and_false_alarms_by_hand() -> None:
    runs = [
        *TUNING,
        run(0, 500, ILL),  # alarm at 400: 100 before
        run(1, 350, ILL),  # at 400: 50 too late
        run(2, 500, WELL),  # missed
        run(0, None, WELL, "sr-static"),
        run(1, None, ILL, "sn-renorm"),  # a false alarm
    ]
    found = judged(SIGMA, runs, CALIBRATION)
    assert found.threshold == pytest.approx(0.5)  # between 0.2 and 0.8
    assert (found.calibration_collapsed, found.calibration_healthy) == (1, 1)
    assert [lead.lead for lead in found.leads] == [100, -50, None]
    assert found.median_lead == 25
    total = found.total
    assert total is not None
    assert (total.collapsed, total.hits, total.before) == (3, 2, 1)
    assert (total.healthy, total.false_alarms) == (2, 1)
    assert {t.method: t.false_alarms for t in found.by_method} == {
        "sn": 0, "sn-renorm": 1, "sr-static": 0,
    }  # fmt: skip
    # Heights .8, .8, .2 against .2, .8: wins 1 and a half, twice, then a half.
    assert found.area == pytest.approx((1.5 + 1.5 + 0.5) / 6)


def test_before_the_collapse_runs_are_compared_until_the_same_time() -> None:
    """At 399 of 1,000 the collapsed run stood at 0.1 as the healthy one did."""
    runs = [*TUNING, run(0, 400, ILL), run(0, None, WELL)]
    found = judged(SIGMA, runs, CALIBRATION)
    assert (found.area, found.area_before) == (1, 0.5)


def test_calibration_seeds_are_not_judged() -> None:
    found = judged(SIGMA, [*TUNING, run(0, 500, WELL), run(0, None, ILL)], CALIBRATION)
    assert found.seeds == [0]
    assert (found.area, found.judged) == (0, 4)


def test_what_is_missing_is_said_instead_of_a_number() -> None:
    found = judged(SIGMA, [run(0, 500, ILL), run(0, None, WELL)], CALIBRATION)
    assert (found.threshold, found.total, found.median_lead) == (None, None, None)
    missing = "no collapsed and no healthy run of the calibration seeds (100, 101)"
    assert found.reasons["threshold"] == missing
    assert found.area == 1  # it needs no threshold
    assert found.reasons["interval"] == "an interval needs 3 seeds, there are 1"
    alone = judged(SIGMA, TUNING, CALIBRATION)
    assert alone.reasons["area"] == "no collapsed and no healthy run of the other seeds"
    assert (alone.area, alone.curve) == (None, [])


def test_no_overlap_is_no_certainty() -> None:
    runs = [r for seed in range(4) for r in (run(seed, 500, ILL), run(seed, None, WELL))]
    found = judged(SIGMA, [*TUNING, *runs], CALIBRATION)
    assert (found.area, found.interval) == (1, None)
    assert "do not overlap" in found.reasons["interval"]


def test_a_run_without_the_column_is_not_judged() -> None:
    blind = Run(
        trial_id="b", setting="C_32-32", method="sn", seed=0, iterations=1000, onset=500, alarms={}
    )
    assert judged(SIGMA, [*TUNING, blind], CALIBRATION).judged == 2
