"""Studies as a search has recorded them, whatever the file holds."""

from __future__ import annotations

import json

import pytest

from api.searches.models import SearchParameter
from api.searches.studies import Recorded, axis, recorded_studies
from sweep.report.importance import Axis


def test_a_record_has_its_studies() -> None:
    content = {"studies": [{"study": "C_8-32", "method": "sr-static", "asked_for": 3}, {"x": 1}]}
    assert recorded_studies(json.dumps(content).encode()) == (
        Recorded(study="C_8-32", method="sr-static", asked_for=3, possible=None),
    )


@pytest.mark.parametrize("content", [None, b"", b"[1, 2", b"[]", b"{}", b'{"studies": null}'])
def test_what_is_no_record_has_none(content: bytes | None) -> None:
    assert recorded_studies(content) == ()


def test_an_axis_is_that_of_the_parameter() -> None:
    numbers = SearchParameter(
        name="rate", title="rate", choices=None, low=0.1, high=10.0, log=True, trials=9
    )
    assert axis(numbers) == Axis(low=0.1, high=10.0, log=True)
    choices = numbers.model_copy(update={"choices": ["a", "b"], "low": None, "high": None})
    assert axis(choices) == Axis(choices=["a", "b"])
