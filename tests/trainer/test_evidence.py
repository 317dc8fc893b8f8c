"""What must have been measured before a signal counts as not seen."""

import math

import pytest

from trainer.evidence import is_scored, mean_of_voting, missing_evidence, voting_layers
from trainer.models import Discriminator
from trainer.thresholds import DEFAULT_THRESHOLDS, TOY_THRESHOLDS
from trainer.verdict import TOO_EARLY


def history(n, layers=10, **measured):
    return [{"iteration": 50 * k, "sigma2_ratio": [0.9] * layers, **measured} for k in range(n)]


def missing(records, modes=1000, thresholds=DEFAULT_THRESHOLDS, iterations=1000):
    return missing_evidence(records, iterations, modes, thresholds)


def test_a_signal_is_open_until_the_third_evaluation_after_its_burn_in():
    """Burn-ins are 0.3 and, of spectra, 0.5 of 1000 iterations."""
    open_signals = [set(missing(history(n, modes=9))) for n in range(22)]
    spectral, both = {"spectral_collapse"}, {"mode_collapse", "dead"}
    assert open_signals == [spectral | both] * 9 + [spectral] * 4 + [set()] * 9
    assert set(missing(history(8, modes=9)).values()) == {TOO_EARLY}


def test_a_run_that_ended_with_too_few_evaluations_says_how_many():
    coarse = [dict(r, iteration=500 * k) for k, r in enumerate(history(3, modes=9))]
    assert missing(coarse)["dead"] == "2 evaluations from iteration 300 on, where 3 are needed"


def test_without_modes_or_scores_mode_collapse_stays_open():
    reason = "neither modes nor Inception scores were measured"
    assert missing(history(21), modes=None) == {"mode_collapse": reason}
    scored = history(21, fid=20.0, inception_score=8.0)
    assert missing(scored, modes=None) == {}
    for record in scored[8:]:
        record["fid"] = None
    assert "2 evaluations from iteration 300 on" in missing(scored, modes=None)["mode_collapse"]


def test_a_discriminator_without_layers_has_no_spectral_verdict():
    reasons = missing(history(21, layers=0, modes=8))
    assert reasons == {"spectral_collapse": "D has fewer than 2 layers that vote"}


def test_constant_outputs_are_not_judged_on_toys():
    reasons = missing(history(21, layers=4, modes=8), modes=8, thresholds=TOY_THRESHOLDS)
    assert set(reasons) == {"dead"}


def test_the_mean_is_over_the_layers_that_vote():
    assert mean_of_voting([0.01 if k in (2, 5) else 0.95 for k in range(10)]) == pytest.approx(
        0.95
    )
    assert math.isnan(mean_of_voting([]))


def test_scores_are_two_finite_numbers():
    assert is_scored({"fid": 20.0, "inception_score": 8.0})
    assert not is_scored({"fid": 20.0})
    assert not is_scored({"fid": 20.0, "inception_score": math.nan})


# Which layers vote.


@pytest.mark.parametrize(
    ("layers", "shortcuts"), [(10, {2, 5}), (17, {2, 5, 8, 11, 14}), (5, set()), (0, set())]
)
def test_voting_layers(layers, shortcuts):
    assert voting_layers(layers) == [k for k in range(layers) if k not in shortcuts]


def test_shortcuts_are_the_1x1_convolutions_of_the_networks():
    for d in (Discriminator(32, 4), Discriminator(128, 2, 3)):
        layers = d.regularised_layers()
        large = [k for k, layer in enumerate(layers) if layer.weight.shape[2] == 3]
        assert voting_layers(len(layers)) == large
