"""Verdicts on made-up histories, in which it is known what happened and when."""

import dataclasses
import math

import pytest

from trainer.collapse import (
    judge,
    spectral_collapse,
    verdict_on,
)
from trainer.config.methods import METHODS
from trainer.config.trial import trial_config
from trainer.thresholds import DEFAULT_THRESHOLDS, Thresholds

PERIOD, ITERATIONS = 50, 1000


def history(modes=400, ratio=0.95, gap=0.5, spread=0.5, finite=True, low=None, n=21):
    """Each argument is a value or a function of the evaluation's number; None for `low`: many
    singular values fall with sigma_2."""
    return [
        {
            "iteration": PERIOD * k,
            "modes": at(modes, k) if k else 0,
            "gap": at(gap, k),
            "d_spread": at(spread, k),
            "sigma2_ratio": [at(ratio, k)] * 10,
            "spectrum_low": 1 - at(ratio, k) if low is None else at(low, k),
            "finite": at(finite, k),
        }
        for k in range(n)
    ]


def scored(inception_score=8.0, fid=20.0, **others):
    """A history without modes: scores are values or functions of the evaluation's number."""
    records = history(**others)
    for k, record in enumerate(records):
        del record["modes"]
        record["inception_score"] = at(inception_score, k) if k else 1.5
        record["fid"] = at(fid, k) if k else 300.0
    return records


def at(value, k):
    return value(k) if callable(value) else value


def verdict(records, projected=False, modes=1000):
    return judge(records, ITERATIONS, projected=projected, modes=modes)


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


def test_evaluations_without_mode_counts_are_passed_over():
    records = history(modes=lambda k: 400 if k < 12 else 1)
    del records[13]["modes"]
    assert verdict(records).mode_collapse_at == 12 * PERIOD
    for record in records:
        record.pop("modes", None)
    assert verdict(records).mode_collapse_at is None


def test_empty_history():
    assert verdict([]).words == "not judged yet"
    assert verdict([]).healthy is None


# The number of modes that there are.


def test_thresholds_are_shares_of_the_modes_that_there_are():
    never = 0.03 * 200
    assert verdict(history(modes=never), modes=200).words == "healthy"
    assert verdict(history(modes=never - 1), modes=200).mode_collapse_at == 300
    assert verdict(history(modes=never - 1), modes=100).words == "healthy"


def test_a_fall_from_a_count_that_was_never_good_is_no_fall():
    """Best 40 of 1000 is below twice what counts as risen: neither rule speaks."""
    assert verdict(history(modes=lambda k: 40 if k == 5 else 30)).words == "healthy"
    assert verdict(history(modes=lambda k: 60 if k == 5 else 29), modes=900).words != "healthy"


def test_the_earlier_of_the_two_mode_rules_speaks():
    fell = history(modes=lambda k: 100 if k == 2 else 10)
    v = verdict(fell)
    assert v.mode_collapse_at == 3 * PERIOD, "it fell before the burn-in"
    assert "best so far" in v.rules["mode_collapse"]


# Inception scores, where modes are not known.


def test_without_modes_and_without_scores_quality_says_nothing():
    records = history()
    for record in records:
        del record["modes"]
    for none in (records, [dict(r, fid=None, inception_score=None) for r in records]):
        v = verdict(none, modes=None)
        assert (v.words, v.rules, v.stop) == ("mode collapse not judged", {}, None)
        assert (v.mode_collapse_at, v.healthy) == (None, None)


def test_good_scores_are_healthy():
    assert verdict(scored(), modes=None).words == "healthy"


def test_scores_that_fall_and_rise_from_their_best():
    t = Thresholds()

    def judged(inception_score, fid):
        records = scored(
            lambda k: 8 if k < 12 else inception_score, lambda k: 20 if k < 12 else fid
        )
        return verdict(records, modes=None)

    v = judged(t.is_fell * 8 - 0.01, t.fid_rose * 20 + 0.01)
    assert v.mode_collapse_at == 12 * PERIOD
    assert v.rules["mode_collapse"].startswith("IS below 0.75 of its best and FID above 1.5 of")
    assert v.stop == "mode collapse"
    assert judged(t.is_fell * 8 - 0.01, t.fid_rose * 20 - 0.01).words == "healthy"
    assert judged(t.is_fell * 8 + 0.01, t.fid_rose * 20 + 0.01).words == "healthy"


def test_scores_that_were_never_good():
    t = Thresholds()
    v = verdict(scored(2.0, t.fid_never * 300 + 1), modes=None)
    assert v.mode_collapse_at == t.burn_in * ITERATIONS
    assert v.rules["mode_collapse"].startswith("FID above 0.6 of the first one after the burn-in")
    assert verdict(scored(2.0, t.fid_never * 300 - 1), modes=None).words == "healthy"


def stretched(records, iterations):
    """The same evaluations, spread over a run of another length."""
    last = records[-1]["iteration"]
    return [{**r, "iteration": r["iteration"] * iterations // last} for r in records]


def as_branch(records):
    """The same records as those of a run that began at iteration 5000 of another."""
    return [{**record, "iteration": 5000 + record["iteration"]} for record in records]


def test_a_branch_of_a_good_network_need_not_get_better_still():
    records = scored(8.0, 70.0)
    records[0] |= {"fid": 71.0, "inception_score": 8.0}
    assert verdict(records, modes=None).mode_collapse_at is not None
    assert verdict(as_branch(records), modes=None).mode_collapse_at is None


def test_a_branch_of_a_collapsed_network_is_measured_from_its_own_best():
    """It recovers and falls again, which its first spectrum, a bad one, would not show."""
    falls = history(ratio=lambda k: 0.5 if k < 4 or k > 14 else 0.95)
    assert verdict(falls).spectral_collapse_at is None
    assert verdict(as_branch(falls)).spectral_collapse_at == 5000 + 15 * PERIOD


def test_bad_scores_count_when_they_last():
    brief = scored(fid=lambda k: 200 if k in (12, 13) else 20, inception_score=2.0)
    assert verdict(brief, modes=None).words == "healthy"


def test_evaluations_without_scores_are_passed_over():
    records = scored(lambda k: 8 if k < 12 else 3, lambda k: 20 if k < 12 else 90)
    records[13] |= {"fid": None, "inception_score": None}
    v = verdict(records, modes=None)
    assert v.mode_collapse_at == 12 * PERIOD
    assert verdict(records[:15], modes=None).words == "healthy", "two bad ones so far"


def test_modes_speak_where_they_are_known_and_scores_do_not():
    records = [
        a | {"modes": b["modes"]} for a, b in zip(scored(2.0, 280.0), history(), strict=True)
    ]
    assert verdict(records, modes=1000).words == "healthy"
    assert verdict(records, modes=None).mode_collapse_at is not None


# Many singular values below half of sigma_1.


def test_sigma_2_alone_is_no_spectral_collapse_and_neither_are_many_low_values_alone():
    limit = Thresholds().low_share_rose

    def fallen(by, ratio=0.5):
        return history(
            ratio=lambda k: 0.95 if k < 10 else ratio, low=lambda k: 0.06 if k < 12 else 0.06 + by
        )

    v = verdict(fallen(limit + 0.01))
    assert v.spectral_collapse_at == 12 * PERIOD, "from where both hold"
    assert "below 0.85 of their own first value, and the share of" in v.rules["spectral_collapse"]
    assert verdict(fallen(limit - 0.01)).words == "healthy"
    assert verdict(fallen(0.5, ratio=0.9)).words == "healthy", "as of a wide D that draws well"


def test_shares_of_a_branch_are_measured_from_its_lowest():
    records = as_branch(
        history(
            ratio=lambda k: 0.95 if k < 15 else 0.5, low=lambda k: 0.3 if k < 4 or k > 14 else 0.06
        )
    )
    assert verdict(records).spectral_collapse_at == 5000 + 15 * PERIOD


def test_of_records_of_an_earlier_version_sigma_2_alone_is_judged():
    records = history(ratio=lambda k: 0.95 if k < 10 else 0.5, low=0.06)
    assert verdict(records).spectral_collapse_at is None
    for record in records[:8]:
        del record["spectrum_low"]
    assert verdict(records).spectral_collapse_at == 10 * PERIOD


# Which layers vote.


def test_one_layer_that_fell_is_not_two():
    records = history()
    for record in records[1:]:
        record["sigma2_ratio"] = [0.1 if k == 4 else 0.95 for k in range(10)]
    assert verdict(records).words == "healthy"
    for record in records[1:]:
        record["sigma2_ratio"][7] = 0.1
        record["spectrum_low"] = 0.3
    assert verdict(records).spectral_collapse_at == PERIOD


def test_a_discriminator_without_layers_has_no_spectral_collapse():
    records = history(n=3)
    for record in records:
        record["sigma2_ratio"] = []
    assert verdict(records).spectral_collapse_at is None


# By configuration.


def test_verdict_on_a_trial_takes_modes_and_length_from_it():
    digits = trial_config("digits", "C_32-32", "sn", 0)
    assert (digits.iterations, digits.evaluate_every) == (ITERATIONS, PERIOD)
    for records in (history(), history(modes=3), history(modes=lambda k: 400 if k < 12 else 1)):
        assert verdict_on(digits, records) == verdict(records)
    longer = trial_config("digits", "C_32-32", "sn", 0, iterations=2 * ITERATIONS)
    assert verdict_on(longer, history(modes=3)).mode_collapse_at == 600
    cifar = trial_config("paper", "C_32-32", "sn", 0)
    records = stretched(scored(2.0, 290.0), cifar.iterations)
    assert verdict_on(cifar, records).mode_collapse_at == 0.3 * cifar.iterations


def test_the_spectrum_stops_only_methods_that_leave_it_alone():
    records = history(ratio=lambda k: 0.95 if k < 10 else 0.5, gap=lambda k: 0.5 if k < 12 else 0)
    stopped = {
        method
        for method in METHODS
        if verdict_on(trial_config("digits", "C_32-32", method, 0), records).stop
    }
    assert stopped == {method for method in METHODS if METHODS[method].form is None}


def test_toys_are_judged_by_thresholds_of_their_own():
    ring = trial_config("toy", "ring8", "jare", 0)
    for modes, collapsed_at in ((8, None), (4, None), (3, 6000), (1, 6000)):
        records = stretched(history(modes=modes, spread=0.0), ring.iterations)
        assert verdict_on(ring, records).mode_collapse_at == collapsed_at
    assert verdict_on(ring, stretched(history(modes=8), 12_000)).words == "dead D not judged"
    affine = trial_config("toy", "affine", "jare", 0)
    records = [{**r, "sigma2_ratio": []} for r in stretched(history(), affine.iterations)]
    for record in records:
        del record["modes"]
    assert verdict_on(affine, records).words == "not judged"


def test_a_run_shorter_than_the_thresholds_hold_for_is_judged_by_divergence_alone():
    short = trial_config("digits", "C_32-32", "sn", 0, iterations=40)
    records = stretched(history(modes=1, ratio=lambda k: 0.9 if k < 3 else 0.1, spread=0), 40)
    v = verdict_on(short, records)
    assert (v.words, v.stop, v.rules, v.healthy) == ("not judged", None, {}, None)
    reason = "planned for 40 iterations, and the thresholds hold from 1000 on"
    assert set(v.not_judged.values()) == {reason}
    records[-1]["finite"] = False
    v = verdict_on(short, records)
    assert (v.words, v.stop, v.healthy) == ("diverged at 40", "diverged", False)
    for iterations, judged in ((999, False), (1000, True), (2000, True)):
        config = trial_config("digits", "C_32-32", "sn", 0, iterations=iterations)
        assert bool(verdict_on(config, stretched(history(1), iterations)).stop) == judged


def test_a_signal_that_was_seen_is_judged_however_early():
    v = verdict(history(modes=lambda k: 100 if k == 2 else 10, n=8))
    assert v.mode_collapse_at == 3 * PERIOD
    assert set(v.not_judged) == {"spectral_collapse", "dead"}


# NaN.


def test_nan_is_divergence_and_no_other_verdict():
    """A run whose last evaluation is all NaN has diverged; nothing else is known of it."""
    records = history(n=8)
    nan = math.nan
    records[7] |= {
        "finite": False,
        "gap": nan,
        "d_spread": nan,
        "sigma2_ratio": 10 * [nan],
        "modes": 0,
    }
    v = verdict(records)
    assert v.words == "diverged at 350"
    assert v.stop == "diverged"
    assert v.rules == {"diverged": "a loss or a weight is not finite"}


def test_nan_in_one_measure_does_not_hide_a_collapse_seen_in_another():
    records = history(modes=lambda k: 400 if k < 12 else 1, gap=math.nan, spread=math.nan)
    for record in records:
        record["sigma2_ratio"] = 10 * [math.nan]
    v = verdict(records)
    assert v.mode_collapse_at == 12 * PERIOD
    assert (v.dead_at, v.spectral_collapse_at) == (None, None)


def test_scores_that_are_nan_do_not_become_the_best():
    def fid(k):
        return math.nan if k == 3 else 20 if k < 12 else 90

    records = scored(lambda k: math.nan if k == 3 else 8 if k < 12 else 3, fid)
    assert verdict(records, modes=None).mode_collapse_at == 12 * PERIOD


def test_signals_are_kept_apart():
    records = history(
        modes=lambda k: 400 if k < 12 else 1,
        ratio=lambda k: 0.95 if k < 11 else 0.5,
        spread=lambda k: 0.5 if k < 15 else 0,
    )
    v = verdict(records)
    assert (v.mode_collapse_at, v.spectral_collapse_at, v.dead_at) == (600, 550, 750)
    assert set(v.rules) == {"mode_collapse", "spectral_collapse", "dead"}
    assert v.stop == "mode collapse"


def test_any_choice_of_layers_can_vote_on_the_spectrum():
    records = [
        {"iteration": 10 * n, "sigma2_ratio": [0.9, 0.9 if n == 0 else 0.3, 0.9]} for n in range(5)
    ]
    alone = dataclasses.replace(DEFAULT_THRESHOLDS, layers_fell=1)
    assert spectral_collapse(records, [1], 0, alone) == 10
    assert spectral_collapse(records, [0, 2], 0, alone) is None
    assert spectral_collapse(records, [0, 1, 2], 0, DEFAULT_THRESHOLDS) is None
    assert spectral_collapse([], [0], 0, alone) is None


# Own pictures, by the gauge that is learnt from them.


def gauged(fd_pictures, coverage):
    records = history()
    for k, record in enumerate(records):
        del record["modes"]
        record |= {"fd_pictures": at(fd_pictures, k), "coverage": at(coverage, k)}
    return records


def of_pictures(records):
    return judge(records, 1000, projected=False, modes=None)


def test_both_scores_of_pictures_must_fall():
    def fallen(fd_pictures, coverage, start=12):
        return gauged(
            lambda k: 20 if k < start else fd_pictures, lambda k: 0.4 if k < start else coverage
        )

    verdict = of_pictures(fallen(41, 0.19))
    assert verdict.mode_collapse_at == 12 * PERIOD
    assert verdict.rules["mode_collapse"] == (
        "coverage below 0.5 of its best and FD-pictures above 2 of its best, 3 times"
    )
    assert verdict.stop == "mode collapse"
    for records in (fallen(39, 0.1), fallen(90, 0.21), fallen(90, 0.0, start=19)):
        verdict = of_pictures(records)
        assert verdict.mode_collapse_at is None
        assert "calibrated on no such pictures" in verdict.not_judged["mode_collapse"]
        assert verdict.healthy is None, "the gauge rules no collapse out"
    # What never covered a tenth cannot lose half of it.
    records = gauged(lambda k: 20 + 5 * k, lambda k: 0.09 / (k + 1))
    assert of_pictures(records).stop is None


def test_pictures_without_any_score_are_not_judged():
    records = gauged(None, None)
    assert of_pictures(records).not_judged["mode_collapse"] == (
        "neither modes nor Inception scores were measured"
    )
