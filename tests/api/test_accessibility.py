"""Pages are usable by keyboard and screen reader, as far as axe-core can tell."""

from __future__ import annotations

import httpx2
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.api.servers import draw_all

SERIOUS = ("serious", "critical")


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/view/sweeps/fig8",
        "/view/searches/demo",
        "/view/trials",
        "/view/trials?by=setting,method&setting=C_*",
        "/view/trials/{sn}",
        "/view/trials?seed=no",
        "/view/compare?t={sn}&t={sr}",
        "/view/compare?t={sn}",
        pytest.param("/paper", marks=pytest.mark.slow),
        "/login",
    ],
)
def test_axe_finds_nothing_serious(
    browser: Browser, http: httpx2.Client, path: str, scheme: str
) -> None:
    sn, sr = (
        http.get(f"/results?setting=C_32-32&seed=0&method={method}").json()["items"][0]["trial_id"]
        for method in ("sn", "sr-static")
    )
    home = str(http.base_url).rstrip("/")
    page = browser.new_page(color_scheme=scheme)  # pyright: ignore[reportArgumentType] - the names that it knows
    page.goto(home + path.format(sn=sn, sr=sr))
    draw_all(page)
    found = Axe().run(page).response["violations"]
    told = [
        f"{one['id']} ({one['impact']}): {node['html'][:160]} {node['failureSummary'][:300]}"
        for one in found
        if one["impact"] in SERIOUS
        for node in one["nodes"][:3]
    ]
    assert told == [], "\n".join(told)
    page.close()
