"""Final scores by method, and paired differences to three controls."""

from __future__ import annotations

import math
import statistics
from typing import Any

import pytest

from sweep.paper.final_scores import final_scores, paired_difference


def trial(method: str, seed: int, final: float | None, **columns: Any) -> dict[str, Any]:
    return {
        "setting": "C_32-32",
        "method": method,
        "seed": seed,
        "dataset": "digits8",
        "status": "completed",
        "final_fd_digits": final,
        "final_ema_fd_digits": None if final is None else final - 10,
        "final_modes": 100 + seed,
        "mode_collapse_at": None,
        "spectral_collapse_at": None,
        "dead_at": None,
        "diverged_at": None,
        **columns,
    }


def test_a_method_is_compared_with_each_control_at_the_seeds_that_both_have() -> None:
    rows = [
        trial("sn", 10, 1200.0, mode_collapse_at=300),
        trial("sn", 11, 1400.0),
        trial("sn", 12, 1600.0, mode_collapse_at=500),
        trial("sn-ttur", 10, 700.0),
        trial("sr-static", 10, 600.0),
        trial("sr-static", 11, 900.0),
        trial("sr-static", 12, 900.0),
    ]
    sn, ttur, sr = final_scores(rows)
    assert sr.differences["sn"].by_seed == {10: -600.0, 11: -500.0, 12: -700.0}
    # By the printed table t(2) = 4.302653, and the standard deviation of the three is 100.
    half = 4.302653 * 100 / math.sqrt(3)
    assert sr.differences["sn"].interval == pytest.approx((-600 - half, -600 + half), rel=1e-6)
    assert sr.differences["sn-ttur"].by_seed == {10: -100.0}
    assert sr.differences["sn-ttur"].interval is None
    assert set(sr.differences) == {"sn", "sn-ttur"}  # nothing ran as sn-renorm
    assert set(sn.differences) == {"sn-ttur"}
    assert ttur.differences["sn"].mean == -500.0
    assert (sn.mean, sn.ema, sn.modes) == (1400.0, 1390.0, 111.0)
    assert sn.sd == statistics.stdev([1200, 1400, 1600])
    assert sn.signals == {
        "mode_collapse_at": 2, "spectral_collapse_at": 0, "dead_at": 0, "diverged_at": 0,
    }  # fmt: skip


def test_a_trial_that_was_planned_and_not_run_is_counted_and_has_no_number() -> None:
    rows = [trial("sn", 10, 1200.0), trial("sn", 11, None, status="planned", final_modes=None)]
    (sn,) = final_scores(rows)
    assert (sn.planned, sn.by_seed, sn.sd) == (2, {10: 1200.0}, None)


def test_a_final_score_that_is_not_finite_is_a_result() -> None:
    rows = [trial("sn", s, 1.0) for s in (1, 2, 3)]
    rows += [trial("r1", s, math.nan if s == 2 else 1.0) for s in (1, 2, 3)]
    r1 = final_scores(rows)[1]
    assert math.isnan(r1.mean or 0.0)
    assert all(math.isnan(end) for end in r1.differences["sn"].interval or ())


def test_two_configurations_of_a_method_are_refused() -> None:
    with pytest.raises(ValueError, match="sn has a seed twice on C_32-32"):
        final_scores([trial("sn", 1, 5.0), trial("sn", 1, 6.0)])


def test_without_a_common_seed_there_is_no_difference() -> None:
    assert paired_difference({1: 2.0}, {2: 2.0}) is None
