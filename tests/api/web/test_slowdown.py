"""Wrong tokens are answered later and later, right ones at once. No test waits for a clock."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from starlette.requests import Request

from api.__main__ import SHUTDOWN_SECONDS
from api.reading.version import code_version
from api.web import slowdown
from api.web.access import cookie_value
from api.web.slowdown import Slowdown, address_of
from tests.api.logins import CONTROL, READ, bearer, log_in, logged_in, origin
from tests.api.servers import serving, wait_for

GROWING = [0.25, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0]


def request_from(address: str | None) -> Request:
    return Request({"type": "http", "headers": [], "client": address and (address, 1)})


class Sleeps:
    """What was slept for; nobody wakes before `end` is set."""

    def __init__(self, *, ended: bool) -> None:
        self.seconds: list[float] = []
        self.end = threading.Event()
        if ended:
            self.end.set()

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        while not self.end.is_set():
            await asyncio.sleep(0.01)


@pytest.fixture
def slept() -> Sleeps:
    return Sleeps(ended=True)


def test_delays_grow_by_address_and_are_forgotten(slept: Sleeps) -> None:
    now = [1000.0]
    slow = Slowdown(slept, lambda: now[0])

    async def guess(address: str, times: int) -> list[float]:
        slept.seconds.clear()
        for _ in range(times):
            await slow.after_wrong_token(request_from(address))
        return list(slept.seconds)

    assert asyncio.run(guess("10.0.0.1", 7)) == GROWING
    assert asyncio.run(guess("10.0.0.2", 1)) == GROWING[:1]
    now[0] += slowdown.FORGET_SECONDS
    assert asyncio.run(guess("10.0.0.1", 1)) == [4.0], "however many came"
    now[0] += slowdown.FORGET_SECONDS + 1
    assert asyncio.run(guess("10.0.0.1", 2)) == GROWING[:2]


def test_no_answer_outlasts_the_service() -> None:
    assert max(GROWING) == slowdown.MOST_SECONDS < SHUTDOWN_SECONDS


def test_addresses_are_bounded(slept: Sleeps, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slowdown, "MOST_ADDRESSES", 3)
    slow = Slowdown(slept)

    async def guess(*hosts: int) -> list[float]:
        slept.seconds.clear()
        for host in hosts:
            await slow.after_wrong_token(request_from(f"10.0.0.{host}"))
        return list(slept.seconds)

    assert asyncio.run(guess(*range(100), 99)) == [0.25] * 100 + [0.5]
    assert len(slow._wrong_tokens) == 3
    assert asyncio.run(guess(97, 98, 1, 97)) == [0.5, 0.5, 0.25, 1.0], "the oldest one went"


def test_waiting_answers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slowdown, "MOST_WAITING", 2)
    slept = Sleeps(ended=False)
    slow = Slowdown(slept)

    async def guess() -> None:
        waiting = [asyncio.create_task(slow.after_wrong_token(request_from("a"))) for _ in "ab"]
        await asyncio.sleep(0)
        assert slow.waiting == 2
        await slow.after_wrong_token(request_from("a"))
        slept.end.set()
        await asyncio.gather(*waiting)
        assert slow.waiting == 0
        assert slept.seconds == GROWING[:2]

    asyncio.run(guess())


@pytest.mark.parametrize(
    ("client", "address"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        (None, ""),
        ("x" * 100, "x" * 64),
    ],
)
def test_addresses(client: str | None, address: str) -> None:
    assert address_of(request_from(client)) == address


def attempts(http: httpx2.Client) -> list[Callable[[str], int]]:
    """The ways to send a token, each with the status of its answer."""
    return [
        lambda token: log_in(http, token).status_code,
        lambda token: http.get("/results", headers=bearer(token)).status_code,
        lambda token: http.get("/view/trials", headers=bearer(token)).status_code,
        lambda token: http.post("/trials/x/actions", json={}, headers=bearer(token)).status_code,
    ]


@pytest.mark.parametrize("way", range(4))
def test_wrong_tokens_are_slowed(filled: Path, slept: Sleeps, way: int) -> None:
    with serving(filled, READ, CONTROL, sleep=slept) as http:
        attempt = attempts(http)[way]
        assert [attempt("no") for _ in GROWING] == [303 if way == 2 else 401] * len(GROWING)
        assert slept.seconds == GROWING
        assert {attempt(READ), attempt(CONTROL)} <= {200, 303, 403, 404, 422}
        http.get("/results")
        assert slept.seconds == GROWING, "neither a right token nor none"
        assert (
            http.get(f"/static/{code_version()}/main.js", headers=bearer("no")).status_code == 200
        )
        assert slept.seconds == GROWING, "what is open to all tells nothing"


def test_a_right_token_waits_for_nothing(filled: Path) -> None:
    """From the same address, while more wrong ones wait than the server has threads."""
    slept = Sleeps(ended=False)
    with serving(filled, READ, CONTROL, sleep=slept) as http:
        body = b"token=no"
        head = f"Host: localhost\r\nOrigin: {origin(http)['Origin']}\r\n"
        form = (
            f"{head}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}"
        )
        host = ("127.0.0.1", http.base_url.port or 0)
        login = f"POST /login HTTP/1.1\r\n{form}\r\n\r\n".encode() + body
        login = login.replace(b"Host: localhost", b"Host: 127.0.0.1:%d" % host[1])
        asked = f"GET /results HTTP/1.1\r\n{head}Authorization: Bearer no\r\n\r\n".encode()
        clients = [socket.create_connection(host, timeout=20) for _ in range(100)]
        for k, client in enumerate(clients):
            client.sendall(login if k % 2 else asked)
        wait_for(lambda: len(slept.seconds) == len(clients))
        for token in (READ, CONTROL):
            with logged_in(http, token) as browser:
                assert browser.get("/view/trials").status_code == 200
            assert http.get("/results", headers=bearer(token)).status_code == 200
        assert len(slept.seconds) == len(clients)
        slept.end.set()
        for client in clients:
            assert client.recv(64).startswith(b"HTTP/1.1 401")
            client.close()


def test_guessed_cookies_are_slowed_and_old_ones_are_not(filled: Path, slept: Sleeps) -> None:
    with serving(filled, READ, CONTROL, sleep=slept) as http:
        name = f"sweep_login_{http.base_url.port}"

        def ask(cookie: str) -> int:
            return http.get("/results", headers={"Cookie": f"{name}={cookie}"}).status_code

        guesses = [cookie_value(f"guess {k}") for k in range(3)]
        assert [ask(guess) for guess in guesses] == [401] * 3
        assert slept.seconds == GROWING[:3]
        # A browser goes on sending the cookie of a token that was changed.
        assert [ask(guesses[0]) for _ in range(5)] == [401] * 5
        assert [ask("x"), ask("x" * 64), ask("")] == [401] * 3, "no login gives such"
        assert ask(cookie_value(READ)) == 200
        assert slept.seconds == GROWING[:3]


def test_the_control_token_is_guarded_where_reading_is_open(filled: Path, slept: Sleeps) -> None:
    with serving(filled, None, CONTROL, sleep=slept) as http:
        assert http.get("/view/sweeps/demo", headers=bearer("no")).status_code == 200
        assert slept.seconds == GROWING[:1]
    with serving(filled, sleep=slept) as http:
        assert http.get("/results", headers=bearer("no")).status_code == 200
        assert slept.seconds == GROWING[:1], "there is no token to guess"


def test_clients_behind_a_known_proxy_are_told_apart(filled: Path, slept: Sleeps) -> None:
    def guess(http: httpx2.Client, client: str) -> None:
        headers = bearer("no") | {"X-Forwarded-For": client}
        assert http.get("/results", headers=headers).status_code == 401

    with serving(filled, READ, sleep=slept, forwarded_allow_ips="127.0.0.1") as http:
        for client in ("10.0.0.1", "10.0.0.1", "10.0.0.2"):
            guess(http, client)
    assert slept.seconds == [0.25, 0.5, 0.25]
    slept.seconds.clear()
    with serving(filled, READ, sleep=slept, forwarded_allow_ips="10.9.9.9") as http:
        for client in ("10.0.0.1", "10.0.0.2", "10.0.0.3"):
            guess(http, client)
    assert slept.seconds == GROWING[:3], "the header of anybody else counts for nothing"
