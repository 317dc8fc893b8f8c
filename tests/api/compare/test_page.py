"""Trials side by side: the page in a real browser, its JSON twin and its figures as data."""

from __future__ import annotations

import html
import re

import httpx2
import pytest
from playwright.sync_api import Browser, expect

from tests.api.compare.odd_trials import NAMES, query_of
from tests.api.servers import opened_page


def address(ids: dict[str, str], *names: str) -> str:
    return "/view/compare?" + "&".join(f"t={ids[name]}" for name in names)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scheme", "width", "names"),
    [("light", 1280, NAMES), ("dark", 390, NAMES), ("light", 390, ("sn", "healthy"))],
)
def test_a_page_of_any_trials(
    browser: Browser,
    odd: httpx2.Client,
    ids: dict[str, str],
    scheme: str,
    width: int,
    names: tuple[str, ...],
) -> None:
    size = {"width": width, "height": 800}
    page, faults = opened_page(
        browser, odd, address(ids, *names), color_scheme=scheme, viewport=size
    )
    assert page.locator("[data-figure]").count() == 3
    assert page.locator(".empty").count() == 0
    across = "1" if width == 390 else "4"
    spectra = page.locator("#spectra").get_attribute("data-figure") or ""
    assert f"columns={across}" in spectra
    assert faults == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


@pytest.mark.slow
def test_one_slider_for_all(browser: Browser, odd: httpx2.Client, ids: dict[str, str]) -> None:
    page, _ = opened_page(browser, odd, address(ids, "sn", "healthy"))
    slider = page.get_by_role("slider")
    with page.expect_response("**/figures/compare/outputs?*at=750*"):
        for _ in range(10):
            slider.press("ArrowLeft")
    assert page.get_by_alt_text("64 generated images at iteration 600").count() == 2
    assert page.locator("#curves .cursor-line").count() == 6
    assert page.locator("#spectra .cursor-line").count() == 2
    expect(page.locator("#outputs").get_by_text("iteration 750")).to_have_count(2)
    page.close()


def test_the_address_is_the_state(
    browser: Browser, odd: httpx2.Client, ids: dict[str, str]
) -> None:
    page, _ = opened_page(browser, odd, address(ids, "sn", "healthy"))
    page.get_by_label("Add a trial").fill(f"http://other/view/trials/{ids['renorm']}")
    page.get_by_role("button", name="Add").click()
    page.get_by_role("heading", name="3 trials side by side").wait_for()
    page.get_by_label("Move C sn-renorm to the left").click()
    page.get_by_label("Move B sn-renorm to the left").click()
    page.get_by_label("Remove C sr-static").click()
    page.get_by_role("heading", name="2 trials side by side").wait_for()
    assert page.url.endswith(address(ids, "renorm", "sn"))
    page.get_by_role("link", name="Every key").click()
    page.get_by_text("Every key; what differs is in bold").wait_for()
    assert page.url.endswith("&all=true")
    page.close()


@pytest.mark.parametrize(
    ("names", "code", "says"),
    [
        ((), 200, "2 to 8 trials can be compared, not 0"),
        (("sn",), 200, "2 to 8 trials can be compared, not 1"),
        (("sn", "sn"), 200, "2 to 8 trials can be compared, not 1"),
        (("sn", "unknown"), 422, "There is no trial 'digits.C_32-32.sn.-.s0-00000000'"),
    ],
)
def test_a_choice_that_cannot_be_compared(
    odd: httpx2.Client, ids: dict[str, str], names: tuple[str, ...], code: int, says: str
) -> None:
    all_ids = ids | {"unknown": "digits.C_32-32.sn.-.s0-00000000"}
    page = odd.get("/view/compare", params=query_of(all_ids, *names))
    assert page.status_code == code
    text = html.unescape(page.text)
    assert says in text
    assert 'action="/view/compare"' in text
    refused = odd.get("/compare", params=query_of(all_ids, *names))
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    if "unknown" in names:
        assert ids["sn"] in refused.json()["detail"]
        assert re.search(r'href="/view/compare\?t=[^"]+">\s*<code>', page.text)


def test_too_many(http: httpx2.Client) -> None:
    items = http.get("/results?limit=9").json()["items"]
    nine = {"t": [item["trial_id"] for item in items]}
    assert len(nine["t"]) == 9
    page = http.get("/view/compare", params=nine)
    assert page.status_code == 422
    assert "2 to 8 trials can be compared, not 9" in page.text
    assert page.text.count("remove") >= 9
