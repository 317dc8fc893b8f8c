"""Verdict on histories of which only parts were measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest

from trainer.partial_verdict import judge_parts
from trainer.verdict import TOO_EARLY, Verdict


def history(n: int, **columns: Sequence[Any]) -> list[dict[str, Any]]:
    """Records every 10 iterations from 0 on."""
    return [
        {"iteration": 10 * k, "finite": True, **{name: v[k] for name, v in columns.items()}}
        for k in range(n)
    ]


def judged(records: list[dict[str, Any]], iterations: int | None = 10, **options: Any) -> Verdict:
    """The verdict on a run whose burn-in is over after its first record."""
    return judge_parts(records, iterations, **{"scores": {}, **options})


def falling(n: int, low: float) -> dict[str, Sequence[Any]]:
    """Spectra of two layers that fall to a ratio of 0.1 after three evaluations."""
    ratios = [[1.0, 1.0]] * 3 + [[0.1, 0.1]] * (n - 3)
    return {"sigma2_ratio": ratios, "spectrum_low": [0.0] * 3 + [low] * (n - 3)}


def test_nothing_measured_is_nothing_judged() -> None:
    verdict = judged(history(20, d_loss=[1.0] * 20))
    assert verdict.onsets == dict.fromkeys(verdict.onsets)
    assert set(verdict.not_judged) == {"mode_collapse", "spectral_collapse", "dead"}
    assert verdict.healthy is None
    assert verdict.stop is None


def test_a_score_that_rises_from_its_best_has_collapsed() -> None:
    fid = [200.0, 50, 40, 30, 31, 80, 90, 95] + [99.0] * 8
    verdict = judged(history(16, fid=fid), scores={"fid": "lower"})
    assert verdict.mode_collapse_at == 50
    assert verdict.stop == "mode collapse"  # 8 evaluations after it began
    assert judged(history(16, fid=fid)[:12], scores={"fid": "lower"}).stop is None


def test_of_several_scores_all_have_to_fall() -> None:
    fid = [200.0, 50, 40, 30, 80, 90, 95, 99, 99, 99]
    rising = history(10, fid=fid, ssim=[0.1 * (k + 1) for k in range(10)])
    scores = {"fid": "lower", "ssim": "higher"}
    assert judged(rising, scores=scores).mode_collapse_at is None
    both = history(10, fid=fid, ssim=[0.1, 0.4, 0.5, 0.5, *([0.2] * 6)])
    assert judged(both, scores=scores).mode_collapse_at == 40


def test_a_run_that_never_became_good_has_collapsed_after_the_burn_in() -> None:
    records = history(11, fid=[100.0] * 11)
    verdict = judge_parts(records, 100, scores={"fid": "lower"})
    assert verdict.mode_collapse_at == 30


@pytest.mark.parametrize(
    ("records", "scores", "reason"),
    [
        (history(9, fid=[9.0] * 9)[1:], {"fid": "lower"}, "no score of iteration 0"),
        (history(9, fid=[math.nan] * 9), {"fid": "lower"}, "no evaluation has a finite fid"),
        (history(9, a=[9.0, 1, -1, 2, 3, 4, 5, 6, 7]), {"a": "lower"}, "not above 0"),
        (history(9, a=[9.0] * 9), {"a": "higher"}, "tells whether the run ever became good"),
        (history(2, fid=[9.0, 1.0]), {"fid": "lower"}, TOO_EARLY),
    ],
)
def test_why_quality_is_not_judged(records: Any, scores: Any, reason: str) -> None:
    verdict = judged(records, scores=scores)
    assert verdict.mode_collapse_at is None
    assert reason in verdict.not_judged["mode_collapse"]


def test_without_a_planned_length_no_score_is_late() -> None:
    verdict = judged(history(11, fid=[100.0] * 11), None, scores={"fid": "lower"})
    assert verdict.mode_collapse_at is None
    assert "no planned iterations" in verdict.not_judged["mode_collapse"]


def test_a_run_that_has_ended_is_not_promised_to_be_judged() -> None:
    records = history(2, fid=[9.0, 1.0])
    verdict = judged(records, scores={"fid": "lower"}, has_ended=True)
    assert verdict.not_judged["mode_collapse"] == "fewer than 3 evaluations after the burn-in"


def test_spectra_stop_a_run_alone() -> None:
    verdict = judged(history(14, **falling(14, 0.9)), voting=[0, 1])
    assert verdict.spectral_collapse_at == 30
    assert verdict.stop == "spectral collapse"


def test_spectra_of_a_method_that_sets_them_stop_nothing() -> None:
    records = history(14, **falling(14, 0.9))
    assert judged(records, voting=[0, 1], projected=True).stop is None


def test_spectra_stop_nothing_while_the_gap_is_there() -> None:
    open_gap = history(14, **falling(14, 0.9), gap=[1.0] * 14)
    assert judged(open_gap, voting=[0, 1]).stop is None
    gone = history(14, **falling(14, 0.9), gap=[1.0] * 4 + [0.0] * 10)
    assert judged(gone, voting=[0, 1]).stop == "spectral collapse"


def test_one_small_singular_value_is_no_collapse() -> None:
    assert judged(history(14, **falling(14, 0.01)), voting=[0, 1]).spectral_collapse_at is None


def test_spectra_logged_now_and_then_are_judged_by_themselves() -> None:
    records = history(28, **falling(28, 0.9))
    for record in records[1::2]:
        del record["sigma2_ratio"], record["spectrum_low"]
    assert judged(records, voting=[0, 1]).spectral_collapse_at == 40


def test_constant_outputs_are_a_dead_discriminator() -> None:
    assert judged(history(6, d_spread=[1.0, 1.0, 0, 0, 0, 0])).dead_at == 20


def test_what_is_not_finite_ends_a_run_at_once() -> None:
    records = history(3)
    records[2]["finite"] = False
    assert judged(records).diverged_at == 20
    assert judged(records).stop == "diverged"


def test_all_judged_and_none_seen_is_healthy() -> None:
    columns = {"sigma2_ratio": [[1.0]] * 9, "spectrum_low": [0.0] * 9}
    records = history(9, fid=[100.0, *([10.0] * 8)], d_spread=[1.0] * 9, **columns)
    assert judged(records, scores={"fid": "lower"}, voting=[0]).healthy is True
