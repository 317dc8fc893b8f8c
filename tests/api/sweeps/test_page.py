"""The pages, in a real browser."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser

from sweep.store.store import Store
from tests.api.servers import draw_all, serving, watch
from tests.api.stores import identity, write_driver, write_plan


@pytest.mark.parametrize(
    ("path", "scheme", "width", "figures", "says"),
    [
        ("/", "light", 390, 0, "What the store holds"),
        ("/view/sweeps/fig8", "dark", 390, 2, "1 planned, 1 running"),
        ("/view/trials/{id}", "dark", 390, 5, "Mode collapse from iteration 375, spectral"),
        ("/view/trials?setting=C_*", "dark", 390, 0, "14 of 30 trials"),
        ("/view/trials?by=method,i_ratio", "light", 390, 1, "groups of 30 trials"),
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
) -> None:
    home = str(http.base_url).rstrip("/")
    trials = http.get("/results?status=collapsed&method=sn").json()["items"]
    size = {"width": width, "height": 800}
    page = browser.new_page(color_scheme=scheme, viewport=size)  # pyright: ignore[reportArgumentType] - the names that it knows
    faults = watch(page, home)
    page.goto(home + path.format(id=trials[0]["trial_id"]))
    page.get_by_text(says).first.wait_for()
    assert draw_all(page) == figures
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert faults == []
    page.close()


def test_files_behind_a_figure_have_every_trial(browser: Browser, http: httpx2.Client) -> None:
    page = browser.new_page()
    page.goto(f"{str(http.base_url).rstrip('/')}/view/sweeps/fig8")
    draw_all(page)
    for format in ("csv", "parquet"):
        link = page.locator(f".behind a[data-format={format}]").first
        address = httpx2.URL(link.get_attribute("href") or "")
        assert address.params["format"] == format
        assert "limit" not in address.params
        assert http.get(address).status_code == 200
    page.close()


def test_the_first_page_is_live(browser: Browser, tmp_path: Path) -> None:
    with serving(tmp_path / "results") as http:
        page = browser.new_page()
        page.goto(str(http.base_url))
        page.get_by_text("There is no store").wait_for()
        store, trial = Store(tmp_path / "results"), identity("C_32-32", "sn", 0)
        write_plan(store, "tonight", [trial])
        write_driver(store, "tonight", heartbeat=datetime.now(UTC).isoformat())
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
