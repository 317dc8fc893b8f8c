"""The routes as they are described: checked in, and true of what the service answers."""

from __future__ import annotations

import json
import urllib.parse
from pathlib import Path
from typing import Any

import httpx2
import jsonschema
import pytest

from api import __main__ as command

CHECKED_IN = Path(command.__file__).with_name("openapi.json")
DESCRIPTION: dict[str, Any] = json.loads(CHECKED_IN.read_text())
READ = {path: does["get"] for path, does in DESCRIPTION["paths"].items() if "get" in does}
# An answer of these never ends (test_events.py).
STREAMS = {path for path in READ if path.endswith("/events")}
# Of trials with checkpoints, which these lack (trials/test_generator_routes.py).
OF_CHECKPOINTS = {"/trials/{trial_id}/generator"}
OTHER_MEDIA = {"image/png", "text/plain", "text/event-stream", "application/octet-stream"}


def test_it_is_checked_in() -> None:
    assert CHECKED_IN.read_text() == command.description(), (
        "the routes have changed: if they should, "
        "`python -m api --openapi > api/openapi.json` and look at the difference"
    )


def test_it_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--openapi", "--results", "/no/such/store"]) == 0
    assert json.loads(capsys.readouterr().out)["openapi"].startswith("3.1")


# What a caller may send for anything: too much, too little, none of its kind, or an attack.
NASTY = (
    "", " ", "0", "-1", "1e309", "nan", "99999999999999999999999", "true", "null", "[]", "*", "[",
    "[!-", "..", "../../etc/passwd", "%2e%2e%2f", "\x00", "é", "💥", "a" * 3000, ",", ",,,",
    "'; DROP TABLE trials; --", "<script>alert(1)</script>", "{{7*7}}", "=cmd|' /C calc'!A0",
)  # fmt: skip


def address(path: str, values: dict[str, str]) -> str:
    """The path with the values in the place of its parameters."""
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", urllib.parse.quote(value, safe=""))
    return path


@pytest.fixture(scope="module")
def good(http: httpx2.Client) -> dict[str, str]:
    """Values of path parameters that there are."""
    trial = http.get("/results?method=sn&limit=1").json()["items"][0]["trial_id"]
    return {
        "trial_id": trial,
        "name": "demo",
        "number": "3",
        "iteration": "300",
        "table": "spectra",
    }


def check(response: httpx2.Response) -> None:
    """Never a 5xx; whatever is refused is a problem with the id of its request."""
    assert response.status_code < 500, (response.url, response.text)
    if response.status_code >= 400:
        assert response.headers["content-type"] == "application/problem+json", response.url
        problem = response.json()
        assert problem["status"] == response.status_code
        assert problem["request_id"] == response.headers["x-request-id"]


@pytest.mark.slow
@pytest.mark.parametrize("nasty", NASTY)
def test_no_value_breaks_a_parameter(
    http: httpx2.Client, good: dict[str, str], nasty: str
) -> None:
    for path, operation in READ.items():
        if path in STREAMS and nasty == "..":
            continue  # the client makes /events of it, which never ends
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "path":
                # A client makes `/sweeps/../events` the stream of all, which never ends.
                if not (path in STREAMS and nasty == ".."):
                    check(http.get(address(path, good | {parameter["name"]: nasty})))
                continue
            names = parameter["schema"].get("propertyNames", {}).get("enum")
            name = names[0] if names else parameter["name"]
            if parameter["in"] == "header":
                continue  # read by streams alone
            check(http.get(address(path, good), params={name: nasty}))


@pytest.mark.parametrize("path", READ)
def test_an_unknown_parameter_is_refused(
    http: httpx2.Client, good: dict[str, str], path: str
) -> None:
    response = http.get(address(path, good), params={"no-such-parameter": "1"})
    check(response)
    assert response.status_code == 422
    assert "unknown query parameter" in response.json()["detail"]


@pytest.mark.parametrize("path", sorted(READ.keys() - STREAMS - OF_CHECKPOINTS))
def test_an_answer_is_as_described(http: httpx2.Client, good: dict[str, str], path: str) -> None:
    two = [item["trial_id"] for item in http.get("/results?limit=2").json()["items"]]
    required: dict[str, Any] = {
        "/figures/fig5": {"trial_id": good["trial_id"]}, "/figures/fig8": {"setting": "C_32-32"},
        "/sql": {"q": "from trials"},
        **{path: {"t": two} for path in DESCRIPTION["paths"] if "/compare" in path},
    }  # fmt: skip
    response = http.get(address(path, good), params=required.get(path, {}))
    assert response.status_code == 200, response.text
    content = READ[path]["responses"]["200"]["content"]
    media = response.headers["content-type"].partition(";")[0]
    assert media in content
    if media == "application/json":
        schema = content[media]["schema"] | {"components": DESCRIPTION["components"]}
        jsonschema.validate(response.json(), schema)


def test_the_description(http: httpx2.Client) -> None:
    paths = http.get("/openapi.json").json()["paths"]
    for path, operations in paths.items():
        if "get" not in operations:
            continue
        content = operations["get"]["responses"]["200"]["content"]
        schema = content.get("application/json", {}).get("schema", {})
        other = content.keys() & OTHER_MEDIA
        assert "$ref" in json.dumps(schema) or other, path
