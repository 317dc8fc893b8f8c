"""Errors as problems, whatever went wrong."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import httpx2
import pytest

from api.reading.version import code_version
from api.trials import queries


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


def test_the_unexpected(filled: Path, kit: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(record: object) -> None:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(queries, "trial", broken)
    with kit.serving(filled) as http:
        response = http.get("/results")
        assert response.status_code == 500
        assert response.headers["content-type"] == "application/problem+json"
        assert "secret" not in response.text
        assert response.json()["request_id"] == response.headers["x-request-id"]


def test_every_answer_is_guarded(http: httpx2.Client) -> None:
    for path in ("/", "/results", "/nothing", f"/static/{code_version()}/main.js"):
        headers = http.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'self'; ")
        assert "unsafe-eval" not in headers["content-security-policy"]


def test_a_person_gets_a_page(http: httpx2.Client) -> None:
    response = http.get("/view/trials/nothing")
    assert response.status_code == 404
    assert response.headers["content-type"].startswith("text/html")
    assert "no trial" in response.text
