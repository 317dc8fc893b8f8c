"""HEAD beside GET: on every route, page and file, over real HTTP."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import httpx2
import pytest

from api import __main__ as command
from api.reading.version import code_version
from tests.api.servers import serving
from tests.api.web.listening import gauge
from tests.api.web.metrics import series

DESCRIPTION = json.loads(Path(command.__file__).with_name("openapi.json").read_text())
ROUTES = [path for path, does in DESCRIPTION["paths"].items() if "get" in does]
PAGES = [
    "/", "/paper", "/docs", "/login", "/view/trials", "/view/trials?by=method",
    "/view/sweeps/demo", "/view/trials/{trial_id}", "/view/compare", "/openapi.json",
]  # fmt: skip
OTHERS = [
    f"/static/{code_version()}/style.css", f"/static/{code_version()}/nothing.css", "/nothing",
    "/results?limit=0", "/results?cursor=none", "/trials/nothing", "/logout",
    "/results?format=csv", "/results?format=parquet", "/results?limit=3",
]  # fmt: skip
# Of every answer another one.
OWN = ("date", "x-request-id")
# What is measured changes with every answer.
CHANGING = ("/metrics",)


@pytest.fixture(scope="module")
def values(http: httpx2.Client) -> dict[str, str]:
    trial = http.get("/results?method=sn&limit=1").json()["items"][0]["trial_id"]
    return {"trial_id": trial, "name": "demo", "number": "3", "iteration": "300",
            "table": "spectra"}  # fmt: skip


@pytest.mark.parametrize("coding", ["identity", "gzip"])
@pytest.mark.parametrize("path", [*ROUTES, *PAGES, *OTHERS])
def test_head_is_get_without_a_body(
    http: httpx2.Client, values: dict[str, str], path: str, coding: str
) -> None:
    address = path.format(**values)
    headers = {"Accept-Encoding": coding}
    head = http.head(address, headers=headers)
    assert head.content == b""
    with http.stream("GET", address, headers=headers) as get:
        assert head.status_code == get.status_code
        for name in {*get.headers, *head.headers} - {*OWN}:
            if path not in CHANGING or name != "content-length":
                assert head.headers.get(name) == get.headers.get(name), name
        assert head.headers["x-request-id"] != get.headers["x-request-id"]


def test_nothing_follows_the_headers(http: httpx2.Client) -> None:
    """A client would take it for the next answer on the same connection."""
    with socket.create_connection(("127.0.0.1", http.base_url.port or 0), timeout=10) as client:
        for path in ("/results", "/events", "/results?format=csv"):
            client.sendall(f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            answer = client.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert answer.endswith(b"\r\n\r\n")
            assert answer.count(b"\r\n\r\n") == 1


def test_a_stream_is_not_followed(http: httpx2.Client) -> None:
    before = gauge(http)
    assert http.head("/events").status_code == 200
    assert gauge(http) == before


def test_what_is_not_modified_has_no_new_head(http: httpx2.Client) -> None:
    etag = http.head("/results").headers["etag"]
    assert http.head("/results", headers={"If-None-Match": etag}).status_code == 304


def test_heads_are_counted_as_such(filled: Path) -> None:
    with serving(filled) as http:
        http.head("/results")
        labels = 'method="HEAD",route="/results",status="2xx"'
        assert series(http)[f"http_request_duration_seconds_count{{{labels}}}"] == 1


def test_a_head_needs_the_token_as_well(closed: httpx2.Client) -> None:
    assert closed.head("/results").status_code == 401
    for path in ("/results", "/view/trials?seed=1"):
        head, get = closed.head(path), closed.get(path)
        assert head.status_code == get.status_code
        assert head.headers.get("location") == get.headers.get("location")
