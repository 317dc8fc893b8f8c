"""Published pages in a real browser, opened as files with the network off."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from api.publish.pages import relative
from sweep.store.store import Store
from tests.api.servers import draw_all, watch

PAGES = ("index.html", "sweep.html", "trials.html", "provenance.html")


def opened(browser: Browser, published: Path, path: str) -> tuple[Page, list[str]]:
    page = browser.new_context(offline=True).new_page()
    faults = watch(page, f"file://{published}/")
    page.goto(f"file://{published}/{path}")
    return page, faults


@pytest.mark.parametrize("path", [*PAGES, "trial"])
def test_it_opens_from_a_file_and_asks_for_nothing_else(
    browser: Browser, published: Path, small: Path, path: str
) -> None:
    if path == "trial":
        trial_id = Store(small).read_rows("sweeps", "small")[0]["trial_id"]
        path = f"trials/{trial_id}.html"
    page, faults = opened(browser, published, path)
    figures = draw_all(page)
    assert figures == {"index.html": 15, "sweep.html": 2}.get(path, 5 if "trials/" in path else 0)
    assert page.get_by_text("cannot be read").count() == 0
    assert faults == []
    page.context.close()


def test_a_pick_shows_another_answer(browser: Browser, published: Path, small: Path) -> None:
    trial_id = Store(small).read_rows("sweeps", "small")[0]["trial_id"]
    page, faults = opened(browser, published, f"trials/{trial_id}.html")
    page.locator("#spectrum").scroll_into_view_if_needed()
    page.locator("#spectrum .main-svg").first.wait_for()
    page.locator("form[data-drives='spectrum snapshots'] select").select_option("3")
    page.locator("#spectrum").get_by_text("layer_3").first.wait_for()
    link = page.locator("#spectrum .behind a[data-format=parquet]")
    assert (link.get_attribute("href") or "").endswith(f"trials/{trial_id}/spectra.parquet")
    assert page.locator("#spectrum .behind a[data-format=csv]").is_hidden()
    page.locator("#cursor").evaluate(
        "range => { range.value = 0; range.dispatchEvent(new Event('input')); }"
    )
    image = page.locator("[data-samples] img")
    assert (image.get_attribute("src") or "").endswith("samples/0.png")
    assert image.evaluate("async image => { await image.decode(); return image.naturalWidth; }")
    assert faults == []
    page.context.close()


def test_the_answer_can_be_printed(browser: Browser, published: Path) -> None:
    page, faults = opened(browser, published, "index.html")
    page.evaluate("void (window.print = () => { document.body.dataset.printed = 'yes'; })")
    page.get_by_role("button", name="Print or save as PDF").click()
    page.locator("body[data-printed=yes]").wait_for()
    assert page.locator(".still img").count() > 5
    page.locator("#fig8-section select").first.dispatch_event("change")
    assert faults == []
    page.context.close()


def test_it_may_load_nothing_from_elsewhere(browser: Browser, published: Path) -> None:
    page, _ = opened(browser, published, "index.html")
    refused = page.evaluate(
        """() => new Promise((done) => {
          document.addEventListener("securitypolicyviolation", (e) => done(e.blockedURI));
          document.body.append(Object.assign(new Image(), { src: "https://example.org/x.png" }));
        })"""
    )
    assert refused == "https://example.org/x.png"
    page.context.close()


def test_addresses_are_relative_to_the_page() -> None:
    assert relative("index.html", "data/x.csv") == "data/x.csv"
    assert relative("trials/a.html", "index.html") == "../index.html"
    assert relative("trials/a.html", "trials/a/trial.json") == "a/trial.json"
