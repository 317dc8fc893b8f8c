"""What a stored row says of the signals that were not judged."""

import json
from typing import Any

import pytest

from sweep.store.judgement import (
    TOO_EARLY,
    healthy,
    is_judged,
    reasons_not_judged,
    standing_reason,
)
from sweep.store.schemas import SCHEMAS
from sweep.store.vocabulary import SIGNALS
from trainer import verdict

NONE: dict[str, Any] = dict.fromkeys(SIGNALS)


def test_the_store_and_the_trainer_have_one_word_for_too_early():
    assert TOO_EARLY == verdict.TOO_EARLY
    assert tuple(verdict.SIGNALS) == SIGNALS


def test_a_row_of_an_earlier_version_does_not_say_and_is_not_healthy():
    for row in (NONE, NONE | {"not_judged": None}):
        assert reasons_not_judged(row) is None
        assert is_judged("mode_collapse_at", reasons_not_judged(row))
        assert healthy(row) is None
        assert healthy(row | {"dead_at": 5}) is False


def test_a_signal_with_a_reason_is_not_judged():
    reasons = reasons_not_judged({"not_judged": json.dumps({"dead": TOO_EARLY, "x": "short"})})
    assert reasons == {"dead": TOO_EARLY, "x": "short"}
    assert not is_judged("dead_at", reasons)
    assert is_judged("mode_collapse_at", reasons)


@pytest.mark.parametrize(
    ("reasons", "standing"),
    [({"dead": "short"}, "short"), ({"dead": TOO_EARLY}, None), ({}, None), (None, None)],
)
def test_a_reason_that_passes_does_not_stand(reasons, standing):
    assert standing_reason("dead_at", reasons) == standing


@pytest.mark.parametrize(("reasons", "expected"), [({}, True), ({"dead": "short"}, None)])
def test_healthy_needs_every_signal_judged(reasons, expected):
    assert healthy(NONE | {"not_judged": json.dumps(reasons)}) is expected


def test_the_columns_may_be_null():
    for name in ("not_judged", "healthy"):
        assert SCHEMAS["trials"].field(name).nullable
