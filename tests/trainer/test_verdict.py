"""Verdicts in words."""

from trainer.verdict import SIGNALS, in_words


def test_words_name_every_signal_with_its_iteration():
    none = dict.fromkeys(SIGNALS)
    assert in_words(none) == "healthy"
    assert in_words(none | {"dead_at": 0}) == "dead D at 0"
    seen = {"mode_collapse_at": 600, "spectral_collapse_at": 550}
    assert in_words(none | seen) == "mode collapse at 600, spectral collapse at 550"
