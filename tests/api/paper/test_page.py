"""The paper page: what it says, what it draws, on a screen and on paper."""

from __future__ import annotations

import gzip
import itertools
import re
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, Page

from sweep.store.store import Store
from tests.api.paper.paper_page import PLATES, figure
from tests.api.servers import serving, wait_for, watch
from tests.api.stores import identity, write_trial
from trainer.config.settings import PROFILES, SETTINGS

MOST_LIVE = 6


def home_of(http: httpx2.Client) -> str:
    return str(http.base_url).rstrip("/")


def test_headings_are_in_order(story: httpx2.Client) -> None:
    levels = [int(level) for level in re.findall(r"<h([1-6])", story.get("/paper").text)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_contents_lead_somewhere(story: httpx2.Client) -> None:
    page = story.get("/paper").text
    targets = set(re.findall(r'href="#([^"]+)"', page))
    assert {f"{plate}-section" for plate in PLATES} < targets
    assert targets <= set(re.findall(r' id="([^"]+)"', page))


@pytest.mark.parametrize("profile", [*PROFILES, "of-another-release"])
def test_any_profile_has_its_page(tmp_path: Path, profile: str) -> None:
    """Table I stands beside what the profile runs; a profile that runs none of it shows none."""
    sn = identity("C_32-32", "sn", 0) | {"profile": profile}
    write_trial(Store(tmp_path), sn)
    with serving(tmp_path) as http:
        answer = http.get("/paper")
    assert answer.status_code == 200
    table = answer.text.partition('id="table1"')[2].partition("</section>")[0]
    absent = table.count('<td class="n" colspan="5">–</td>')
    of_the_paper = bool(PROFILES[profile].dataset) if profile in PROFILES else False
    assert absent == (0 if of_the_paper else len(SETTINGS))


def draw(page: Page, plate: str) -> None:
    page.locator(f"#{plate}").scroll_into_view_if_needed()
    page.locator(f"#{plate}").locator(".main-svg, .empty p").first.wait_for()


@pytest.mark.parametrize(
    ("scheme", "width"),
    [("light", 1280), pytest.param("dark", 390, marks=pytest.mark.slow)],
)
def test_it_can_be_read_through(
    browser: Browser, story: httpx2.Client, scheme: str, width: int
) -> None:
    size = {"width": width, "height": 800}
    page = browser.new_page(color_scheme=scheme, viewport=size)  # pyright: ignore[reportArgumentType] - the names that it knows
    faults = watch(page, home_of(story))
    page.goto(f"{home_of(story)}/paper")
    for plate in PLATES:
        draw(page, plate)
        assert page.locator("svg.main-svg:first-of-type").count() <= 3 * MOST_LIVE
    assert page.locator(".canvas.js-plotly-plot > .plot-container").count() <= MOST_LIVE
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    label = page.locator("#survival .canvas").get_attribute("aria-label") or ""
    assert label.startswith("Who has not collapsed. Share without mode collapse at the end: sn")
    assert faults == []
    page.close()


@pytest.mark.slow
def test_a_pick_changes_figure_and_address(browser: Browser, story: httpx2.Client) -> None:
    page = browser.new_page()
    faults = watch(page, home_of(story))
    page.goto(f"{home_of(story)}/paper")
    draw(page, "fig5")
    page.locator("#fig5-section select[name=layer]").select_option("4")
    page.locator("#fig5").get_by_text("layer_4: index / r").wait_for()
    assert "fig5.layer=4" in page.url
    assert page.locator("#permalink").get_attribute("href") == page.url
    page.goto(page.url)
    draw(page, "fig5")
    page.locator("#fig5").get_by_text("layer_4: index / r").wait_for()
    assert page.locator("#fig5-section select[name=layer]").input_value() == "4"
    assert faults == []
    page.close()


@pytest.mark.slow
def test_it_can_be_put_on_paper(browser: Browser, story: httpx2.Client) -> None:
    page = browser.new_page(color_scheme="dark")
    faults = watch(page, home_of(story))
    page.goto(f"{home_of(story)}/paper?print=1")
    page.locator("body[data-stills=drawn]").wait_for()
    assert page.locator(".still img").count() == len(PLATES)
    assert page.locator(".js-plotly-plot").count() == 0  # pictures are not live
    page.emulate_media(media="print")
    for hidden in ("header", ".contents", ".pick", ".tools", ".behind"):
        assert not page.locator(hidden).first.is_visible()
    assert page.locator("#table2").is_visible()
    still = page.locator("#fig3 .still img")
    assert (still.get_attribute("alt") or "").startswith("Fig. 3: spectra where SN collapses. ")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert len(page.pdf()) > 50_000
    assert faults == []
    page.close()


@pytest.mark.slow
def test_the_button_prints(browser: Browser, story: httpx2.Client) -> None:
    page = browser.new_page()
    page.goto(f"{home_of(story)}/paper")
    page.evaluate("void (window.print = () => { document.body.dataset.printed = 'yes'; })")
    page.get_by_role("button", name="Print or save as PDF").click()
    page.locator("body[data-printed=yes]").wait_for()
    assert page.locator(".still img").count() == len(PLATES)
    page.close()


@pytest.mark.slow
def test_many_trials_make_a_small_page(tmp_path: Path) -> None:
    """Neither a row nor an option per trial: twenty times the seeds is hardly more page."""
    sizes = []
    for seeds in (10, 200):
        store = Store(tmp_path / str(seeds))
        for method in ("sn", "sr-static"):
            write_trial(store, identity("C_32-32", method, 0))
            trial = identity("C_32-32", method, 0)
            (row,) = store.read_rows("trials", trial["trial_id"])
            for seed in range(1, seeds):
                twin = identity("C_32-32", method, seed)
                store.write_rows("trials", twin["trial_id"], [row | twin])
        with serving(tmp_path / str(seeds)) as http:
            wait_for(lambda: http.get("/readyz").status_code == 200)
            text = http.get("/paper").text
            picture = figure(http, "seeds")
        sizes.append(len(gzip.compress(text.encode(), 4)))
        assert f"{seeds} seeds" in text
        assert picture["trials"] == 2 * seeds
    assert sizes[1] < 1.2 * sizes[0] < 300_000
