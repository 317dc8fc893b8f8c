"""The page of a search, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, Page

from tests.api.searches.search_store import SEARCH, write_search
from tests.api.servers import opened_page, serving


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    root: Path = tmp_path_factory.mktemp("searched")
    write_search(root)
    with serving(root) as client:
        yield client


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("dark", 1280)])
def test_the_page_fits(browser: Browser, http: httpx2.Client, scheme: str, width: int) -> None:
    size = {"width": width, "height": 800}
    page, faults = opened_page(
        browser, http, f"/view/searches/{SEARCH}", color_scheme=scheme, viewport=size
    )
    assert page.locator("[data-figure] .main-svg:first-child").count() == 5
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert faults == []
    page.close()


def drag_over(page: Page, axis: int, low: float, high: float) -> None:
    """Drags over an axis of the parallel coordinates between two heights, 0 to 1."""
    ends = page.evaluate(
        """([axis, low, high]) => {
            const canvas = document.querySelector("#parallel .canvas");
            const { xaxis, yaxis } = canvas._fullLayout;
            const box = canvas.querySelector(".nsewdrag").getBoundingClientRect();
            const at = (height) => box.top + yaxis.l2p(height);
            return [box.left + xaxis.l2p(axis), at(low), at(high)];
        }""",
        [axis, low, high],
    )
    x, start, end = ends
    page.mouse.move(x - 8, start)
    page.mouse.down()
    page.mouse.move(x, (start + end) / 2, steps=4)
    page.mouse.move(x + 8, end, steps=4)
    page.mouse.up()


def test_brushes_keep_the_trials_that_pass(browser: Browser, http: httpx2.Client) -> None:
    (study,) = http.get(f"/searches/{SEARCH}").json()["studies"]
    names = [parameter["name"] for parameter in study["parameters"]]
    page, faults = opened_page(browser, http, f"/view/searches/{SEARCH}")
    page.locator("#parallel").scroll_into_view_if_needed()
    status = page.locator("[data-brushes] [role=status]")
    lifting = [t for t in study["trials"] if t["parameters"].get("i_ratio", -1) >= 0]

    drag_over(page, names.index("i_ratio"), -0.04, 1.03)
    page.get_by_text(f"{len(lifting)} of {len(study['trials'])} trials pass.").wait_for()
    rates = study["parameters"][names.index("discriminator_rate_factor")]["choices"]
    lowest = [t for t in lifting if t["parameters"]["discriminator_rate_factor"] == rates[0]]
    drag_over(page, names.index("discriminator_rate_factor"), -0.1, 0.1)
    page.get_by_text(f"{len(lowest)} of {len(study['trials'])} trials pass.").wait_for()
    best = min(lowest, key=lambda t: t["objective"])
    assert status.locator("a").get_attribute("href") == f"/view/trials/{best['trial_id']}"
    page.get_by_role("button", name="Show all").click()
    page.wait_for_function("!document.querySelector('[data-brushes] [role=status]').textContent")
    assert faults == []
    page.close()


def test_axes_of_the_contour_stay_in_the_address(browser: Browser, http: httpx2.Client) -> None:
    page, faults = opened_page(browser, http, f"/view/searches/{SEARCH}")
    page.locator("[data-drives=contour] select[name=y]").select_option("channels")
    page.wait_for_url(re.compile("y=channels"))
    page.reload()
    assert page.locator("[data-drives=contour] select[name=y]").input_value() == "channels"
    assert "y=channels" in (page.locator("#contour").get_attribute("data-figure") or "")
    assert faults == []
    page.close()
