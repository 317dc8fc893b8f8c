"""Verdicts on made-up histories, in which it is known what happened and when."""

import math

import pytest

from trainer.collapse import Thresholds, judge, spectrum_left

PERIOD, ITERATIONS = 50, 1000


def history(modes=400, ratio=0.95, gap=0.5, spread=0.5, finite=True, n=21):
    """Each argument is a value or a function of the evaluation's number."""

    def at(value, k):
        return value(k) if callable(value) else value

    return [
        {
            "iteration": PERIOD * k,
            "modes": at(modes, k) if k else 0,
            "gap": at(gap, k),
            "d_spread": at(spread, k),
            "sigma2_ratio": [at(ratio, k)] * 10,
            "finite": at(finite, k),
        }
        for k in range(n)
    ]


def verdict(records, projected=False):
    return judge(records, ITERATIONS, projected=projected)


def test_healthy():
    v = verdict(history())
    assert (v.words, v.stop, v.rules) == ("healthy", None, {})


def test_modes_that_fall_from_their_best():
    v = verdict(history(modes=lambda k: 400 if k < 12 else 100))
    assert v.mode_collapse_at == 12 * PERIOD
    assert "best so far" in v.rules["mode_collapse"]
    assert v.spectral_collapse_at is None
    assert v.stop == "mode collapse"


def test_modes_that_never_rise():
    v = verdict(history(modes=3))
    assert v.mode_collapse_at == Thresholds().burn_in * ITERATIONS
    assert "burn-in" in v.rules["mode_collapse"]


def test_two_bad_evaluations_are_not_three():
    assert verdict(history(modes=lambda k: 10 if k in (12, 13) else 400)).words == "healthy"


def test_stop_waits_for_the_grace_period():
    t = Thresholds()
    falls = history(modes=lambda k: 400 if k < 12 else 1)
    seen = 12 + t.patience
    for n in range(1, len(falls) + 1):
        v = verdict(falls[:n])
        assert (v.mode_collapse_at is not None) == (n >= seen)
        assert (v.stop is not None) == (n > 12 + t.grace and n >= seen)


def test_spectral_collapse_is_no_mode_collapse_and_stops_nothing_alone():
    v = verdict(history(ratio=lambda k: 0.95 if k < 10 else 0.5))
    assert v.spectral_collapse_at == 10 * PERIOD
    assert v.mode_collapse_at is None
    assert v.stop is None


@pytest.mark.parametrize(("projected", "stop"), [(False, True), (True, False)])
def test_spectrum_and_gap_together_stop_only_without_projection(projected, stop):
    records = history(ratio=lambda k: 0.95 if k < 10 else 0.5, gap=lambda k: 0.5 if k < 12 else 0)
    assert bool(verdict(records, projected).stop) == stop


def test_a_dip_in_the_first_half_does_not_count():
    recovers = history(ratio=lambda k: 0.5 if 2 <= k < 12 else 0.95)
    assert verdict(recovers).words == "healthy"


def test_spectral_collapse_began_where_its_streak_began():
    lasts = history(ratio=lambda k: 0.5 if k >= 4 else 0.95)
    assert verdict(lasts).spectral_collapse_at == 4 * PERIOD
    seen = [verdict(lasts[:n]).spectral_collapse_at is not None for n in range(1, 22)]
    assert seen.index(True) == 12, "the third evaluation from half of the run on"


def test_shortcuts_do_not_vote():
    records = history()
    for record in records[1:]:
        record["sigma2_ratio"] = [0.01 if k in (2, 5) else 0.95 for k in range(10)]
    assert verdict(records).words == "healthy"
    assert spectrum_left(records[-1]) == pytest.approx(0.95)


def test_dead_discriminator_is_its_own_verdict():
    v = verdict(history(spread=lambda k: 0.5 if k < 10 else 0.0))
    assert v.dead_at == 10 * PERIOD
    assert v.mode_collapse_at is None
    assert v.stop == "dead discriminator"


def test_divergence_stops_at_once():
    records = history(n=8, finite=lambda k: k < 7, gap=lambda k: math.nan if k == 7 else 0.5)
    v = verdict(records)
    assert v.diverged_at == 7 * PERIOD
    assert v.stop == "diverged"


def test_without_mode_counts_quality_says_nothing():
    records = history()
    for record in records:
        del record["modes"]
    assert verdict(records).mode_collapse_at is None


def test_empty_history():
    assert verdict([]).words == "healthy"
