"""The paper page as tests read it."""

from __future__ import annotations

import html
import re
from typing import Any

import httpx2

from api.paper.page_figures import SECTIONS

PLATES = {plate.id: plate for plates in SECTIONS.values() for plate in plates}


def text_of(page: str) -> str:
    """Text as a reader has it: without tags, spaces as one."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


def figure(http: httpx2.Client, plate: str, **picks: str) -> dict[str, Any]:
    """Figure as the page asks for it."""
    page = http.get("/paper", params={f"{plate}.{k}": v for k, v in picks.items()}).text
    (address,) = re.findall(rf'id="{plate}" data-figure="([^"]+)"', page)
    response = http.get(html.unescape(address))
    assert response.status_code == 200, response.text
    assert len(response.content) <= 150_000
    return response.json()


def figure_data(http: httpx2.Client, query: str) -> dict[str, Any]:
    response = http.get(f"/fig/{query}")
    assert response.status_code == 200, response.text
    return response.json()
