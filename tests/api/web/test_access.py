"""Who may read and who may control: tokens, browser login, and what stands before the service."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from playwright.sync_api import Browser, Page

from api.web.access import cookie_value, local

READ, CONTROL = "r" * 40, "c" * 40
STOP = {"action": "stop"}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def closed(filled: Path, kit: ModuleType) -> Iterator[httpx2.Client]:
    """A service with both tokens; its client sends none."""
    with kit.serving(filled, READ, CONTROL) as http:
        yield http


def origin(http: httpx2.Client) -> dict[str, str]:
    return {"Origin": str(http.base_url).rstrip("/")}


def log_in(http: httpx2.Client, token: str, **form: str) -> httpx2.Response:
    return http.post("/login", data={"token": token, **form}, headers=origin(http))


@contextmanager
def logged_in(http: httpx2.Client, token: str) -> Iterator[httpx2.Client]:
    """A client with the cookie that a login with the token gives."""
    with httpx2.Client(base_url=http.base_url) as browser:
        assert log_in(browser, token).status_code == 303
        assert len(browser.cookies) == 1
        yield browser


def test_tokens_do_not_tell_themselves() -> None:
    values = {cookie_value(READ), cookie_value(CONTROL), READ, CONTROL}
    assert len(values) == 4
    assert cookie_value(READ) == cookie_value("r" * 40), "also after a restart"


@pytest.mark.parametrize(
    ("headers", "reads", "acts"),
    [
        ({}, 401, 401),
        (bearer(READ), 200, 403),
        (bearer(CONTROL), 200, 409),
        (bearer(READ[:-1]), 401, 401),
        (bearer(READ + "r"), 401, 401),
        ({"Authorization": "Bearer"}, 401, 401),
        (bearer("é"), 401, 401),
        ({"Authorization": READ}, 401, 401),
        ({"Authorization": f"bearer  {READ}"}, 200, 403),
        (bearer(cookie_value(READ)), 401, 401),
    ],
)
def test_what_a_bearer_may(
    closed: httpx2.Client, headers: dict[str, str], reads: int, acts: int
) -> None:
    raw = {name.encode(): value.encode() for name, value in headers.items()}
    response = closed.get("/results", headers=raw)
    assert response.status_code == reads
    acted = closed.post("/sweeps/demo/actions", json=STOP, headers=raw)
    assert acted.status_code == acts, "409: demo has finished"
    for answer in (response, acted):
        if answer.status_code == 401:
            assert answer.headers["www-authenticate"] == "Bearer"
        if answer.status_code >= 400:
            assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_without_a_control_token_nobody_controls(filled: Path, kit: ModuleType) -> None:
    for token, headers in ((None, {}), (READ, bearer(READ))):
        with kit.serving(filled, token) as http:
            refused = http.post("/sweeps/fig8/actions", json=STOP, headers=headers)
            assert refused.status_code == 403
            assert "--control-token-file" in refused.json()["detail"]


def test_with_a_control_token_alone_reading_is_open(filled: Path, kit: ModuleType) -> None:
    with kit.serving(filled, None, CONTROL) as http:
        assert http.get("/results").status_code == 200
        assert http.post("/sweeps/demo/actions", json=STOP).status_code == 401
        headers = bearer(CONTROL)
        assert http.post("/sweeps/demo/actions", json=STOP, headers=headers).status_code == 409
        assert "can also stop" in http.get("/login").text


@pytest.mark.parametrize("path", ["/healthz", "/login", "/openapi.json"])
def test_what_is_open(closed: httpx2.Client, path: str) -> None:
    assert closed.get(path).status_code == (401 if path == "/openapi.json" else 200)


def test_files_of_the_pages_are_open(closed: httpx2.Client) -> None:
    page = closed.get("/login").text
    addresses = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    assert len(addresses) >= 3
    assert {closed.get(address).status_code for address in addresses} == {200}
    assert closed.get("/static/../results").status_code in (401, 404)
    counts = closed.get("/readyz").json()
    assert counts["results"] is None
    assert counts["trials"] == 30


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


def test_a_part_of_a_page_sends_the_whole_page(closed: httpx2.Client) -> None:
    here = str(closed.base_url).rstrip("/") + "/view/trials?x=1"
    headers = {"HX-Request": "true", "HX-Current-URL": here}
    refused = closed.get("/view/overview", headers=headers)
    assert refused.status_code == 401
    assert refused.headers["hx-redirect"] == "/login?next=/view/trials%3Fx%3D1"


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


def test_a_login_outlives_a_restart_and_not_its_token(filled: Path, kit: ModuleType) -> None:
    def asks(http: httpx2.Client) -> int:
        name = f"sweep_login_{http.base_url.port}"
        return http.get("/results", headers={"Cookie": f"{name}={cookie_value(READ)}"}).status_code

    with kit.serving(filled, READ, CONTROL) as http:
        assert asks(http) == 200
    with kit.serving(filled, READ, CONTROL) as http:
        assert asks(http) == 200
    with kit.serving(filled, "another", CONTROL) as http:
        assert asks(http) == 401


SAME = {"Sec-Fetch-Site": "same-origin"}


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://127.0.0.1"}, False),
        ({"Origin": "http://127.0.0.1:1"}, False),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "http://{host}.evil.example"}, False),
        ({"Origin": "http://{host}"}, True),
        ({"Origin": "https://{host}"}, True),  # a proxy took https off
        (SAME, True),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://{host}"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        (SAME | {"Origin": "https://sweeps.example"}, True),  # a proxy changed Host
    ],
)
def test_only_pages_of_the_service_use_a_cookie(
    closed: httpx2.Client, headers: dict[str, str], allowed: bool
) -> None:
    host = f"127.0.0.1:{closed.base_url.port}"
    sent = {name: value.format(host=host) for name, value in headers.items()}
    with logged_in(closed, CONTROL) as http:
        acted = http.post("/sweeps/demo/actions", json=STOP, headers=sent)
        assert acted.status_code == (409 if allowed else 403)
        assert http.get("/results", headers=sent).status_code == 200
    with httpx2.Client(base_url=closed.base_url) as http:
        answer = http.post("/login", data={"token": READ}, headers=sent)
        assert answer.status_code == (303 if allowed else 403)
        assert http.post("/logout", headers=sent).status_code == (303 if allowed else 403)
        program = http.post("/sweeps/demo/actions", json=STOP, headers=sent | bearer(CONTROL))
        assert program.status_code == 409


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
    assert local("/paper?x=//y", "/") == "/paper?x=//y"


def test_an_answer_is_of_who_asks(closed: httpx2.Client) -> None:
    tags = {closed.get("/sweeps", headers=bearer(t)).headers["etag"] for t in (READ, CONTROL)}
    with logged_in(closed, CONTROL) as http:
        answer = http.get("/sweeps")
        tags.add(answer.headers["etag"])
        assert "Cookie" in answer.headers["vary"]
        again = http.get("/sweeps", headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304
    assert len(tags) == 3


def test_a_form_of_who_is_not_logged_in(closed: httpx2.Client) -> None:
    page = str(closed.base_url).rstrip("/") + "/view/sweeps/demo"
    headers = origin(closed) | {"Referer": page}
    refused = closed.post("/sweeps/demo/actions", data=STOP, headers=headers)
    assert refused.status_code == 303
    assert refused.headers["location"] == "/login?next=/view/sweeps/demo"


def test_below_a_path(filled: Path, kit: ModuleType) -> None:
    with kit.serving(filled, READ, CONTROL, root_path="/sweeps") as http:
        refused = http.get("/paper")
        assert refused.headers["location"] == "/sweeps/login?next=/sweeps/paper"
        answer = log_in(http, READ)
        http.cookies.clear()
        assert answer.headers["location"] == "/sweeps/"
        assert "; path=/sweeps;" in answer.headers["set-cookie"].lower()
        page = http.get("/results?limit=1", headers=bearer(READ))
        assert page.headers["link"].startswith("</sweeps/results?limit=1&cursor=")
        assert http.get("/sweeps/demo", headers=bearer(READ)).json()["name"] == "demo"
        trial = page.json()["items"][0]["trial_id"]
        samples = http.get(f"/trials/{trial}/samples", headers=bearer(READ)).json()["items"]
        assert samples[0]["url"].startswith(f"/sweeps/trials/{trial}/samples/")
        described = http.get("/openapi.json", headers=bearer(READ)).json()
        assert described["servers"] == [{"url": "/sweeps"}]


@pytest.mark.parametrize(("believed", "secure"), [("127.0.0.1", True), ("10.0.0.0/8", False)])
def test_only_known_proxies_tell_of_https(
    filled: Path, kit: ModuleType, believed: str, secure: bool
) -> None:
    with kit.serving(filled, READ, forwarded_allow_ips=believed) as http:
        headers = origin(http) | {"X-Forwarded-Proto": "https"}
        answer = http.post("/login", data={"token": READ}, headers=headers)
        assert ("; secure" in answer.headers["set-cookie"].lower()) == secure


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


def test_a_person_logs_in_below_a_path_of_a_proxy(
    filled: Path, kit: ModuleType, browser_page: Page
) -> None:
    page = browser_page
    seen: list[str] = []
    page.on("console", lambda m: seen.append(m.text) if m.type == "error" else None)
    with (
        kit.serving(filled, READ, CONTROL, root_path="/lab/sweeps") as http,
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


def test_no_other_site_acts_for_a_person(
    filled: Path, kit: ModuleType, browser_page: Page
) -> None:
    """A page of another port is another origin, and the same site: the cookie goes with it."""
    page = browser_page
    with kit.serving(filled, READ, CONTROL) as http, kit.serving(filled) as other:
        page.goto(f"{http.base_url}/login")
        page.get_by_label("Token").fill(CONTROL)
        page.get_by_role("button", name="Log in").click()
        page.get_by_text("Sweeps").first.wait_for()
        elsewhere = f"{other.base_url}/healthz"
        page.route(elsewhere, lambda route: route.fulfill(
            content_type="text/html",
            body=f'<form method="post" action="{http.base_url}/sweeps/demo/actions">'
            '<input name="action" value="stop"><button>Win</button></form>',
        ))  # fmt: skip
        page.goto(elsewhere)
        with page.expect_response("**/sweeps/demo/actions") as response:
            page.get_by_role("button", name="Win").click()
        assert response.value.status == 403
        assert "cookie" in response.value.request.all_headers()
