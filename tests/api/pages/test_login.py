"""The login page: a token becomes a cookie, and the browser goes back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from playwright.sync_api import Browser, Page

from api.web.access import cookie_value, local_address_or
from tests.api.logins import CONTROL, READ, STOP, log_in, logged_in, origin
from tests.api.servers import serving


def test_a_page_leads_to_the_login_and_back(closed: httpx2.Client) -> None:
    refused = closed.get("/view/sweeps/demo?a=1&b=2")
    assert refused.status_code == 303
    there = urlsplit(refused.headers["location"])
    assert there.path == "/login"
    assert parse_qs(there.query) == {"next": ["/view/sweeps/demo?a=1&b=2"]}
    form = closed.get(refused.headers["location"]).text
    assert 'value="/view/sweeps/demo?a=1&amp;b=2"' in form
    answer = log_in(closed, READ, next="/view/sweeps/demo?a=1&b=2")
    closed.cookies.clear()
    assert answer.status_code == 303
    assert answer.headers["location"] == "/view/sweeps/demo?a=1&b=2"


def test_a_login(closed: httpx2.Client) -> None:
    answer = log_in(closed, f" {READ}\n")
    closed.cookies.clear()
    cookie = answer.headers["set-cookie"]
    assert READ not in cookie
    assert cookie_value(READ) in cookie
    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/"} <= attributes
    assert "secure" not in attributes
    with logged_in(closed, READ) as http:
        assert http.get("/results").status_code == 200
        assert http.get("/view/sweeps/demo").status_code == 200
        headers = origin(http)
        assert http.post("/sweeps/demo/actions", json=STOP, headers=headers).status_code == 403
        assert http.post("/logout", headers=origin(http)).status_code == 303
        assert len(http.cookies) == 0
        assert http.get("/results").status_code == 401
    with logged_in(closed, CONTROL) as http:
        headers = origin(http)
        assert http.post("/sweeps/demo/actions", json=STOP, headers=headers).status_code == 409


def test_a_wrong_token(closed: httpx2.Client) -> None:
    for token in ("", "no", cookie_value(READ)):
        answer = log_in(closed, token, next="/paper")
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers
        assert "not known" in answer.text
        assert 'value="/paper"' in answer.text, "the next try leads there too"


@pytest.mark.parametrize(
    "address",
    [
        "//evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example", "evil",
        "/\t/evil.example", "/\n/evil", "javascript:alert(1)", "", "/a\r\nSet-Cookie: x=1",
        "/" + "a" * 3000, "/login", "/logout",
    ],
)  # fmt: skip
def test_a_login_leads_nowhere_else(closed: httpx2.Client, address: str) -> None:
    answer = log_in(closed, READ, next=address)
    closed.cookies.clear()
    assert answer.headers["location"] == "/"
    assert local_address_or("/paper?x=//y", "/") == "/paper?x=//y"


@contextmanager
def proxied(http: httpx2.Client, prefix: str) -> Iterator[tuple[str, list[str]]]:
    """A proxy that takes `prefix` off, as an nginx does; its address, and paths it has not."""
    strays: list[str] = []

    class Proxy(BaseHTTPRequestHandler):
        def pass_on(self) -> None:
            if not self.path.startswith(f"{prefix}/"):
                strays.append(self.path)
                self.send_error(404)
                return
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = [
                (k, v) for k, v in self.headers.items() if k.lower() not in ("content-length",)
            ]
            path = self.path.removeprefix(prefix)
            answer = http.request(self.command, path, headers=headers, content=body)
            self.send_response(answer.status_code)
            for name, value in answer.headers.multi_items():
                if name not in ("content-length", "content-encoding", "transfer-encoding"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = pass_on

        def log_message(self, format: str, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", strays
        server.shutdown()


@pytest.fixture(scope="module")
def browser_page(browser: Browser) -> Page:
    page = browser.new_page()
    page.set_default_timeout(10_000)
    return page


def test_a_person_logs_in_below_a_path_of_a_proxy(filled: Path, browser_page: Page) -> None:
    page = browser_page
    seen: list[str] = []
    page.on("console", lambda m: seen.append(m.text) if m.type == "error" else None)
    with (
        serving(filled, READ, CONTROL, root_path="/lab/sweeps") as http,
        proxied(http, "/lab/sweeps") as (home, strays),
    ):
        page.goto(f"{home}/lab/sweeps/view/sweeps/demo")
        assert page.url == f"{home}/lab/sweeps/login?next=/lab/sweeps/view/sweeps/demo"
        page.get_by_label("Token").fill("wrong")
        page.get_by_role("button", name="Log in").click()
        page.get_by_text("This token is not known here").wait_for()
        assert [text for text in seen if "401" not in text] == []
        seen.clear()
        page.get_by_label("Token").fill(CONTROL)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(f"{home}/lab/sweeps/view/sweeps/demo")
        page.get_by_text("Finished at").wait_for()
        (cookie,) = page.context.cookies()
        assert CONTROL not in cookie.get("value", "")
        assert (cookie.get("httpOnly"), cookie.get("sameSite")) == (True, "Strict")
        assert page.evaluate("document.cookie") == ""
        page.goto(f"{home}/lab/sweeps/paper")
        page.locator("[data-figure]").first.scroll_into_view_if_needed()
        page.locator(".main-svg").first.wait_for()
        page.goto(f"{home}/lab/sweeps/login")
        page.get_by_text("logged in with the control token").wait_for()
        page.get_by_role("button", name="Log out").click()
        page.get_by_label("Token").wait_for()
        assert page.context.cookies() == []
        assert strays == []
        assert seen == []
