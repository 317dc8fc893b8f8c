"""Headers that every answer has."""

from __future__ import annotations

import httpx2

from api.reading.version import code_version


def test_every_answer_is_guarded(http: httpx2.Client) -> None:
    for path in ("/", "/results", "/nothing", f"/static/{code_version()}/main.js"):
        headers = http.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'self'; ")
        assert "unsafe-eval" not in headers["content-security-policy"]
