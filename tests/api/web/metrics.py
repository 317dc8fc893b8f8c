"""Samples of `/metrics`, parsed."""

from __future__ import annotations

import re

import httpx2

LINE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\.)*",?)*)\})? (\S+)')


def series(http: httpx2.Client) -> dict[str, float]:
    """Every sample by its name and labels; fails on a line that is none."""
    response = http.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    found: dict[str, float] = {}
    told: set[str] = set()
    for line in response.text.splitlines():
        if line.startswith("# TYPE "):
            told.add(line.split()[2])
        if line.startswith("#"):
            continue
        match = LINE.fullmatch(line)
        assert match, line
        name = re.sub("_(bucket|sum|count)$", "", match[1])
        assert name in told, line
        key = f"{match[1]}{{{match[2] or ''}}}"
        assert key not in found, line
        found[key] = float(match[3])
    return found
