"""The service below a path and behind a proxy."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.logins import CONTROL, READ, bearer, log_in, origin
from tests.api.servers import serving


def test_below_a_path(filled: Path) -> None:
    with serving(filled, READ, CONTROL, root_path="/sweeps") as http:
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


def test_a_login_below_a_path_stands_beside_that_of_the_host(filled: Path) -> None:
    """One proxy with two services: a browser sends both cookies to the one that is below."""
    with serving(filled, READ, root_path="/lab/a") as http:
        log_in(http, READ)
        (cookie,) = http.cookies.jar
        both = f"{cookie.name}={cookie.value}; sweep_login_{http.base_url.port}={'0' * 64}"
        http.cookies.clear()
        assert http.get("/results", headers={"Cookie": both}).status_code == 200


@pytest.mark.parametrize(("believed", "secure"), [("127.0.0.1", True), ("10.0.0.0/8", False)])
def test_only_known_proxies_tell_of_https(filled: Path, believed: str, secure: bool) -> None:
    with serving(filled, READ, forwarded_allow_ips=believed) as http:
        headers = origin(http) | {"X-Forwarded-Proto": "https"}
        answer = http.post("/login", data={"token": READ}, headers=headers)
        assert ("; secure" in answer.headers["set-cookie"].lower()) == secure
