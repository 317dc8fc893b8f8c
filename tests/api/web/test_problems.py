"""Errors as problems, whatever went wrong."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from api.trials import queries
from tests.api.servers import serving


def test_not_acceptable(http: httpx2.Client) -> None:
    for response in (
        http.get("/results", headers={"Accept": "image/png"}),
        http.get("/results?format=xml"),
    ):
        assert response.status_code == 406
        assert response.headers["content-type"] == "application/problem+json"
        assert "parquet" in response.json()["detail"]


def test_a_browser_gets_json(http: httpx2.Client) -> None:
    accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    response = http.get("/results", headers={"Accept": accept})
    assert response.headers["content-type"] == "application/json"


def test_only_get(http: httpx2.Client) -> None:
    response = http.post("/results")
    assert response.status_code == 405
    assert response.json()["title"] == "Method Not Allowed"
    assert response.headers["allow"] == "GET"


def test_a_request_id_is_kept_if_it_is_safe(http: httpx2.Client) -> None:
    kept = http.get("/trials/x", headers={"X-Request-ID": "abc-1"})
    assert kept.json()["request_id"] == "abc-1" == kept.headers["x-request-id"]
    long = http.get("/trials/x", headers={"X-Request-ID": "a" * 65})
    assert len(long.json()["request_id"]) == 32


def test_the_unexpected(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(record: object) -> None:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(queries, "trial", broken)
    with serving(filled) as http:
        response = http.get("/results")
        assert response.status_code == 500
        assert response.headers["content-type"] == "application/problem+json"
        assert "secret" not in response.text
        assert response.json()["request_id"] == response.headers["x-request-id"]


def test_a_person_gets_a_page(http: httpx2.Client) -> None:
    response = http.get("/view/trials/nothing")
    assert response.status_code == 404
    assert response.headers["content-type"].startswith("text/html")
    assert "no trial" in response.text


@pytest.mark.parametrize(
    "path",
    [
        "/trials/nothing",
        "/trials/nothing/evaluations",
        "/trials/nothing/spectra",
        "/trials/nothing/outputs",
        "/trials/nothing/samples",
        "/trials/nothing/samples/0",
        "/sweeps/nothing",
        "/trials/..%2f..%2fetc%2fpasswd",
        "/trials/%2e%2e%2f%2e%2e%2fetc/samples/0",
        "/sweeps/..%2fdemo",
        "/static/..%2f..%2fapp.py",
        "/nothing",
    ],
)
def test_what_is_not_there(http: httpx2.Client, path: str) -> None:
    response = http.get(path)
    assert response.status_code == 404
    problem = response.json()
    assert {"type", "title", "status", "detail", "instance", "request_id"} <= set(problem)
    assert problem["request_id"] == response.headers["x-request-id"]
