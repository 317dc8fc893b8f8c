"""The pages, in a real browser."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import httpx2
import pytest
from playwright.sync_api import Browser

from sweep.store.store import Store


@pytest.mark.parametrize(
    ("path", "scheme", "width", "figures", "says"),
    [
        ("/", "light", 390, 0, "What the store holds"),
        ("/view/sweeps/fig8", "dark", 390, 1, "1 planned, 1 running"),
        ("/view/trials/{id}", "dark", 390, 5, "Mode collapse from iteration 375, spectral"),
        ("/view/trials?setting=C_*", "dark", 390, 0, "14 of 30 trials"),
        ("/view/trials?by=method,i_ratio", "light", 390, 0, "groups of 30 trials"),
        ("/docs", "light", 1280, 0, "/results"),
    ],
)
def test_a_page(
    browser: Browser,
    http: httpx2.Client,
    path: str,
    figures: int,
    says: str,
    scheme: str,
    width: int,
    kit: ModuleType,
) -> None:
    home = str(http.base_url).rstrip("/")
    trials = http.get("/results?status=collapsed&method=sn").json()["items"]
    size = {"width": width, "height": 800}
    page = browser.new_page(color_scheme=scheme, viewport=size)  # pyright: ignore[reportArgumentType] - the names that it knows
    seen = kit.watch(page, home)
    page.goto(home + path.format(id=trials[0]["trial_id"]))
    page.get_by_text(says).first.wait_for()
    assert kit.draw_all(page) == figures
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert seen == []
    page.close()


def test_a_trial_can_be_looked_through(
    browser: Browser, http: httpx2.Client, kit: ModuleType
) -> None:
    home = str(http.base_url).rstrip("/")
    found = http.get("/results?status=collapsed&method=sn").json()
    trial, snapshot = found["items"][0]["trial_id"], found["snapshot"]
    page = browser.new_page()
    seen = kit.watch(page, home)
    page.goto(f"{home}/view/trials/{trial}")
    kit.draw_all(page)
    with page.expect_response(f"{home}/figures/trials/{trial}/spectra?layer=7"):
        page.locator("select[name=layer]").select_option("7")
    link = page.locator("#spectrum .behind a").first
    page.get_by_text("layer_7: index / r").wait_for()
    assert link.get_attribute("href") == f"{home}/trials/{trial}/spectra?layer=7"
    assert page.locator("#spectrum .about").text_content() == f"1 trial, snapshot {snapshot}."
    with page.expect_download() as download:
        page.locator("#spectrum").get_by_role("button", name="SVG").click()
    assert download.value.suggested_filename == "spectrum.svg"
    with page.expect_response(f"{home}/trials/{trial}/samples/600"):
        page.locator("input[type=range]").press("ArrowLeft")
    assert page.get_by_alt_text("64 generated images at iteration 600").is_visible()
    assert page.locator("#spectrum").get_by_text("mode collapse, 375").count() == 1
    assert page.locator("#spectrum").get_by_text("spectral collapse, 450").count() == 1
    assert seen == []
    page.close()


def test_the_first_page_is_live(browser: Browser, tmp_path: Path, kit: ModuleType) -> None:
    with kit.serving(tmp_path / "results") as http:
        page = browser.new_page()
        page.goto(str(http.base_url))
        page.get_by_text("There is no store").wait_for()
        store, who = Store(tmp_path / "results"), kit.identity("C_32-32", "sn", 0)
        kit.write_plan(store, "tonight", [who])
        kit.write_driver(store, "tonight", heartbeat=datetime.now(UTC).isoformat())
        page.get_by_text("Running: about 4 min left. 1 trials: 1 planned.").wait_for()
        page.close()


def test_without_a_browser(http: httpx2.Client) -> None:
    """What a page says is in the HTML: a screen reader or curl needs no script for it."""
    home = http.get("/").text
    assert "65 % of the iterations done" in home
    assert "7 trials: 1 planned, 1 running, 3 completed, 1 collapsed, 1 failed" in home
    paper = http.get("/paper").text
    assert "36.65" in paper
    assert "modes 2/2" in paper
    assert "not over seeds" in paper or "not a spread over seeds" in paper
    script = http.get("/assets/plotly-0.0.0.min.js")
    assert script.status_code == 404
