"""Who may read and who may control: tokens, browser login, and what stands before the service."""

from __future__ import annotations

import re
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser

from api.web.access import cookie_value
from tests.api.logins import CONTROL, READ, STOP, bearer, logged_in, origin
from tests.api.servers import serving


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


def test_without_a_control_token_nobody_controls(filled: Path) -> None:
    for token, headers in ((None, {}), (READ, bearer(READ))):
        with serving(filled, token) as http:
            refused = http.post("/sweeps/fig8/actions", json=STOP, headers=headers)
            assert refused.status_code == 403
            assert "--control-token-file" in refused.json()["detail"]


def test_with_a_control_token_alone_reading_is_open(filled: Path) -> None:
    with serving(filled, None, CONTROL) as http:
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


def test_a_part_of_a_page_sends_the_whole_page(closed: httpx2.Client) -> None:
    here = str(closed.base_url).rstrip("/") + "/view/trials?x=1"
    headers = {"HX-Request": "true", "HX-Current-URL": here}
    refused = closed.get("/view/overview", headers=headers)
    assert refused.status_code == 401
    assert refused.headers["hx-redirect"] == "/login?next=/view/trials%3Fx%3D1"


def test_a_login_outlives_a_restart_and_not_its_token(filled: Path) -> None:
    def asks(http: httpx2.Client) -> int:
        name = f"sweep_login_{http.base_url.port}"
        return http.get("/results", headers={"Cookie": f"{name}={cookie_value(READ)}"}).status_code

    with serving(filled, READ, CONTROL) as http:
        assert asks(http) == 200
    with serving(filled, READ, CONTROL) as http:
        assert asks(http) == 200
    with serving(filled, "another", CONTROL) as http:
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


def test_no_other_site_acts_for_a_person(filled: Path, browser: Browser) -> None:
    """A page of another port is another origin, and the same site: the cookie goes with it."""
    page = browser.new_page()
    page.set_default_timeout(10_000)
    with serving(filled, READ, CONTROL) as http, serving(filled) as other:
        page.goto(f"{http.base_url}/login")
        page.get_by_label("Token").fill(CONTROL)
        page.get_by_role("button", name="Log in").click()
        page.get_by_text("Sweeps").first.wait_for()
        elsewhere = f"{other.base_url}/healthz"
        page.route(
            elsewhere,
            lambda route: route.fulfill(
                content_type="text/html",
                body=f'<form method="post" action="{http.base_url}/sweeps/demo/actions">'
                '<input name="action" value="stop"><button>Win</button></form>',
            ),
        )
        page.goto(elsewhere)
        with page.expect_response("**/sweeps/demo/actions") as response:
            page.get_by_role("button", name="Win").click()
        assert response.value.status == 403
        assert "cookie" in response.value.request.all_headers()
