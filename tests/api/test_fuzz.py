"""Requests made up from the description: no failure of the service, every refusal a problem."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

DESCRIPTION = json.loads((Path(__file__).parents[2] / "api" / "openapi.json").read_text())
EXAMPLES = 25
CHECKS: list[Any] = [
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
# Ends only when its client does.
ENDLESS = ("/events", "/sweeps/{name}/events")
PATHS = [
    path for path, operations in DESCRIPTION["paths"].items()
    if "get" in operations and path not in ENDLESS
]  # fmt: skip


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


@pytest.fixture(scope="module")
def there(http: httpx2.Client) -> dict[str, Any]:
    """Values of path parameters that lead somewhere."""
    (trial, *_) = http.get("/results?status=collapsed").json()["items"]
    return {"trial_id": trial["trial_id"], "name": "fig8", "iteration": 300, "number": 5}


@pytest.mark.slow
@pytest.mark.parametrize("known", [True, False], ids=["known", "made up"])
@pytest.mark.parametrize("path", PATHS)
def test_made_up_requests(
    http: httpx2.Client,
    session: requests.Session,
    there: dict[str, Any],
    path: str,
    known: bool,
) -> None:
    """Of every path, with parameters as described and otherwise; `known` leads to real things."""
    # Nothing is looked for in the folder that the tests run in, and nothing is left there.
    config = SchemathesisConfig.from_dict({})
    schema = schemathesis.openapi.from_dict(DESCRIPTION, config=config)
    operation = schema[path]["get"]
    both = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    if any(p["in"] == "query" for p in DESCRIPTION["paths"][path]["get"].get("parameters", [])):
        both |= operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)

    @settings(
        max_examples=EXAMPLES, derandomize=True, database=None, deadline=None,
        # They are about how fast cases are made up, which the load of a machine decides.
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )  # fmt: skip
    @given(case=both)
    def check(case: schemathesis.Case) -> None:
        if known:
            case.path_parameters.update({k: there[k] for k in case.path_parameters if k in there})
        answer = case.call(base_url=str(http.base_url), session=session)
        assert answer.status_code < 500, case.as_curl_command()
        (media,) = answer.headers["content-type"]
        if answer.status_code >= 400:
            assert media == "application/problem+json", case.as_curl_command()
            assert answer.json()["status"] == answer.status_code
        case.validate_response(answer, checks=CHECKS)

    check()
