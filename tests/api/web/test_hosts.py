"""Hosts that a request may name, so that no other site's name leads a browser to the service."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx2
import pytest
from starlette.requests import Request

from api.reading.version import code_version
from api.web.hosts import canonical_host, read_allowed_hosts, unexpected_host
from tests.api.logins import CONTROL, READ, bearer
from tests.api.servers import serving
from trainer.config.lookup import UsageError

LOOPBACK = [
    "localhost", "LocalHost", "localhost.", "sweeps.localhost", "127.0.0.1", "127.9.9.9", "[::1]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
]  # fmt: skip
OTHERS = [
    "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evillocalhost", "x", "",
    "10.1.2.3", "[fd00::2]", "evil.example@localhost", "localhost@evil.example", "[localhost]",
    "localhost:80:90", "localhost, evil.example", "127.0.0.1\t.evil", "[::1].evil.example",
]  # fmt: skip


def request_of(*hosts: str, server: str | None = "127.0.0.1") -> Request:
    headers = [(b"host", host.encode()) for host in hosts]
    return Request({"type": "http", "headers": headers, "server": server and (server, 8000)})


@pytest.mark.parametrize("port", ["", ":8000"])
@pytest.mark.parametrize("host", LOOPBACK)
def test_the_loopback_is_expected(host: str, port: str) -> None:
    assert unexpected_host(request_of(host + port), ()) is None


@pytest.mark.parametrize("port", ["", ":8000"])
@pytest.mark.parametrize("host", OTHERS)
def test_no_other_host_is(host: str, port: str) -> None:
    assert unexpected_host(request_of(host + port), ("another.example",)) is not None


def test_the_address_that_was_connected_to_is_expected() -> None:
    """A probe of a cluster asks for the address of a pod."""
    assert unexpected_host(request_of("10.1.2.3:8000", server="10.1.2.3"), ()) is None
    assert unexpected_host(request_of("10.1.2.3:8000", server="::ffff:10.1.2.3"), ()) is None
    assert unexpected_host(request_of("[FD00:0::2]:8000", server="fd00::2"), ()) is None
    assert unexpected_host(request_of("10.1.2.3", server="10.1.2.4"), ()) == "10.1.2.3"
    assert unexpected_host(request_of("10.1.2.3", server=None), ()) == "10.1.2.3"


def test_every_host_of_a_request_counts() -> None:
    assert unexpected_host(request_of(), ()) is None, "no browser leaves it out"
    assert unexpected_host(request_of("localhost", "evil.example"), ()) == "evil.example"


@pytest.mark.parametrize(
    "name", ["sweeps.example.org", "Gpu-1", "10.1.2.3", "::1", "[fd00::2]", "a_b"]
)
def test_a_host_can_be_allowed(name: str) -> None:
    (allowed,) = read_allowed_hosts([name])
    asked = f"[{name}]" if name == "::1" else name
    assert unexpected_host(request_of(f"{asked}:8000".upper()), {canonical_host(allowed)}) is None


@pytest.mark.parametrize(
    "name",
    ["", "http://sweeps.example.org", "sweeps.example.org:8000", "a b", "*", "a/b", "-a", "a,b"],
)
def test_what_is_no_host_cannot(name: str) -> None:
    with pytest.raises(UsageError, match=r"--allow-host .* is no host: it takes a name"):
        read_allowed_hosts([name])


@pytest.mark.parametrize(
    "path",
    [
        "/", "/results", "/events", "/openapi.json", "/healthz", "/readyz", "/metrics", "/login",
        "/nothing", f"/static/{code_version()}/main.js",
    ],
)  # fmt: skip
def test_an_open_service_is_not_asked_by_another_name(http: httpx2.Client, path: str) -> None:
    refused = http.get(path, headers={"Host": f"evil.example:{http.base_url.port}"})
    assert refused.status_code == 421
    assert refused.headers["content-type"] == "application/problem+json"
    assert "access-control-allow-origin" not in refused.headers
    problem = refused.json()
    assert "'evil.example'" in problem["detail"]
    assert "--allow-host evil.example" in problem["detail"]
    assert problem["request_id"] == refused.headers["x-request-id"]


def test_no_change_is_made_by_another_name(filled: Path) -> None:
    with serving(filled, None, CONTROL) as http:
        headers = bearer(CONTROL) | {"Host": "evil.example"}
        acted = http.post("/sweeps/demo/actions", json={"action": "stop"}, headers=headers)
        assert acted.status_code == 421
        login = {"Host": "evil.example", "Origin": "http://evil.example"}
        assert http.post("/login", data={"token": CONTROL}, headers=login).status_code == 421


def test_a_forwarded_host_counts_for_nothing(http: httpx2.Client) -> None:
    for header in ({"X-Forwarded-Host": "localhost"}, {"Forwarded": "host=localhost"}):
        assert http.get("/results", headers={"Host": "evil.example"} | header).status_code == 421
    page = http.get("/view/trials", headers={"X-Forwarded-Host": "evil.example"})
    assert page.status_code == 200
    assert "evil.example" not in page.text


def test_allowed_hosts(filled: Path) -> None:
    with serving(filled, allowed_hosts=("Sweeps.Example.org",)) as http:
        for host, status in (
            ("sweeps.example.org", 200),
            ("SWEEPS.example.org:80", 200),
            ("x", 421),
        ):
            assert http.get("/results", headers={"Host": host}).status_code == status
        assert http.get("/results").status_code == 200


def test_with_a_read_token_hosts_matter_if_some_are_allowed(filled: Path) -> None:
    elsewhere = {"Host": "gpu1.lab:8000"} | bearer(READ)
    with serving(filled, READ) as http:
        assert http.get("/results", headers=elsewhere).status_code == 200
        assert http.get("/healthz", headers={"Host": "10.1.2.3:8000"}).status_code == 200
    with serving(filled, READ, allowed_hosts=("sweeps.example.org",)) as http:
        assert http.get("/results", headers=elsewhere).status_code == 421
        assert http.get("/results", headers=bearer(READ)).status_code == 200


def test_a_request_of_before_hosts_had_names(http: httpx2.Client) -> None:
    """Some load balancers probe so; a browser never does."""
    with socket.create_connection(("127.0.0.1", http.base_url.port or 0), timeout=10) as client:
        client.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert client.recv(64).startswith(b"HTTP/1.1 200")
