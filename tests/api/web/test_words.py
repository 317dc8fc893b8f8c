"""Sentences of a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace

import pytest

from api.web.words import verdict
from sweep.store.vocabulary import SIGNALS

LATER = "too few evaluations so far"
OPEN = ("mode_collapse", "spectral_collapse", "dead")


def sentence(
    not_judged: Mapping[str, str] | None, status: str = "completed", **onsets: int
) -> str:
    trial = SimpleNamespace(
        status=status, not_judged=not_judged, **(dict.fromkeys(SIGNALS) | onsets)
    )
    return verdict(trial)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("status", "not_judged", "expected"),
    [
        ("completed", {}, "No collapse was seen."),
        ("running", {}, "No collapse was seen so far."),
        ("completed", None, "No collapse was seen."),
        ("planned", None, "Not started."),
        (
            "completed",
            {"mode_collapse": "no scores"},
            "No collapse was seen. Mode collapse is not judged: no scores.",
        ),
        (
            "running",
            {"spectral_collapse": LATER, "dead": LATER},
            "No collapse was seen so far. Spectral collapse and a dead discriminator are not "
            f"judged: {LATER}.",
        ),
        ("completed", dict.fromkeys(OPEN, "too short"), "Not judged: too short."),
        (
            "running",
            {"mode_collapse": "no scores", "spectral_collapse": LATER, "dead": LATER},
            "Mode collapse is not judged: no scores. Spectral collapse and a dead discriminator "
            f"are not judged: {LATER}.",
        ),
    ],
)
def test_what_was_not_judged_is_said_with_the_reason(
    status: str, not_judged: Mapping[str, str] | None, expected: str
) -> None:
    assert sentence(not_judged, status) == expected


def test_a_collapse_is_said_before_what_is_open() -> None:
    assert sentence({"spectral_collapse": LATER}, mode_collapse_at=150) == (
        f"Mode collapse from iteration 150. Spectral collapse is not judged: {LATER}."
    )
    assert sentence({}, mode_collapse_at=150, spectral_collapse_at=100) == (
        "Mode collapse from iteration 150, spectral collapse from iteration 100. "
        "The spectrum went first, 50 iterations before the other."
    )


def test_of_a_run_that_diverged_nothing_else_is_asked() -> None:
    assert sentence({"dead": LATER}, diverged_at=40) == "Divergence from iteration 40."
