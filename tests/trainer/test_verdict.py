"""Verdicts in words."""

import pytest

from trainer.verdict import SIGNALS, TOO_EARLY, Verdict, in_words

NONE = dict.fromkeys(SIGNALS)


def test_words_name_every_signal_with_its_iteration():
    assert in_words(NONE, {}) == "healthy"
    assert in_words(NONE | {"dead_at": 0}, {}) == "dead D at 0"
    seen = {"mode_collapse_at": 600, "spectral_collapse_at": 550}
    assert in_words(NONE | seen, {}) == "mode collapse at 600, spectral collapse at 550"


@pytest.mark.parametrize(
    ("reasons", "words"),
    [
        ({"mode_collapse": "no scores"}, "mode collapse not judged"),
        ({"spectral_collapse": TOO_EARLY}, "spectral collapse not judged yet"),
        ({"mode_collapse": "no scores", "dead": TOO_EARLY}, "mode collapse and dead D not judged"),
        (dict.fromkeys(("mode_collapse", "spectral_collapse", "dead"), "short"), "not judged"),
        (
            dict.fromkeys(("mode_collapse", "spectral_collapse", "dead"), TOO_EARLY),
            "not judged yet",
        ),
    ],
)
def test_a_run_that_was_not_judged_is_not_called_healthy(reasons, words):
    assert in_words(NONE, reasons) == words
    assert in_words(NONE | {"mode_collapse_at": 50}, reasons | {"dead": "x"}).startswith(
        "mode collapse at 50, "
    )


def test_nothing_is_added_to_divergence():
    assert in_words(NONE | {"diverged_at": 350}, {"dead": TOO_EARLY}) == "diverged at 350"


def test_a_verdict_without_a_record_of_what_was_judged_is_not_called_healthy():
    assert in_words(NONE, None) == "no collapse seen"
    assert in_words(NONE | {"dead_at": 5}, None) == "dead D at 5"


@pytest.mark.parametrize(
    ("onset", "reasons", "healthy"),
    [(None, {}, True), (None, {"dead": "short"}, None), (5, {"dead": "short"}, False)],
)
def test_healthy_is_true_false_or_open(onset, reasons, healthy):
    verdict = Verdict(
        mode_collapse_at=onset,
        spectral_collapse_at=None,
        dead_at=None,
        diverged_at=None,
        rules={},
        not_judged=reasons,
        stop=None,
    )
    assert verdict.healthy is healthy
