"""The page of a trial, in a real browser: one cursor, what is drawn, what happened."""

from __future__ import annotations

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from sweep.store.store import Store
from tests.api.servers import collapsed_trial, draw_all, opened_page, watch
from tests.api.stores import write_trial
from tests.api.trials.odd_trials import TRIALS, id_of

FIGURES = ["strip", "outputs", "spectrum", "snapshots", "curves"]


def well_behaved(page: Page, seen: list[str]) -> bool:
    fits = "document.documentElement.scrollWidth <= innerWidth"
    return seen == [] and page.evaluate(fits)


def cursors(page: Page, figure: str) -> list[float]:
    """Where the cursor's lines stand in a figure: iterations, by the figure's own axis."""
    return page.evaluate(
        """(id) => {
          const figure = document.getElementById(id);
          const canvas = figure.querySelector('.canvas');
          const axis = canvas._fullLayout.xaxis;
          return [...figure.querySelectorAll('.cursor-line')].map((line) =>
            Math.round(axis.p2d(parseFloat(line.style.left) - canvas.offsetLeft - axis._offset)));
        }""",
        figure,
    )


def test_a_key_moves_one_cursor_through_everything(browser: Browser, http: httpx2.Client) -> None:
    trial = collapsed_trial(http)
    page, seen = opened_page(browser, http, f"/view/trials/{trial}")
    assert [
        figure.get_attribute("id") for figure in page.locator("[data-figure]").all()
    ] == FIGURES
    slider = page.get_by_role("slider")
    assert cursors(page, "strip") == [900] * 6
    with page.expect_response(f"**/figures/trials/{trial}/outputs?at=450"):
        for _ in range(6):
            slider.press("ArrowLeft")
    assert page.locator(".cursor-bar output").text_content() == "450"
    assert (slider.get_attribute("aria-valuetext") or "").startswith("iteration 450. FD-digits")
    assert cursors(page, "strip") == [450] * 6
    assert cursors(page, "spectrum") == [450]
    assert cursors(page, "curves") == [450] * 4
    assert page.get_by_alt_text("64 generated images at iteration 300").is_visible()
    expect(page.locator("#outputs").get_by_text("iteration 450")).to_be_visible()
    expect(page.locator("#snapshots").get_by_text("cursor, 450")).to_be_visible()
    assert well_behaved(page, seen)
    page.close()


def place_of(page: Page, figure: str, axis: str, at: int) -> tuple[float, float]:
    """Where on the screen an iteration is, in the middle of a panel of the figure."""
    return page.evaluate(
        """([id, name, at]) => {
          const canvas = document.querySelector(`#${id} .canvas`);
          canvas.scrollIntoView({ block: "center", behavior: "instant" });
          const { left, top } = canvas.getBoundingClientRect();
          const { xaxis: x, [name]: y } = canvas._fullLayout;
          return [left + x._offset + x.d2p(at), top + y._offset + y._length / 2];
        }""",
        [figure, axis, at],
    )


@pytest.mark.slow
def test_the_pointer_moves_it_too(browser: Browser, http: httpx2.Client) -> None:
    page, _ = opened_page(browser, http, f"/view/trials/{collapsed_trial(http)}")
    page.mouse.move(*place_of(page, "strip", "yaxis3", 300))
    expect(page.locator(".cursor-bar output")).to_have_text("300")
    assert page.get_by_alt_text("64 generated images at iteration 300").is_visible()
    page.close()


@pytest.mark.slow
def test_pinned_iterations_stay(browser: Browser, http: httpx2.Client) -> None:
    trial = collapsed_trial(http)
    page, _ = opened_page(browser, http, f"/view/trials/{trial}")
    slider = page.get_by_role("slider")
    with page.expect_response("**/snapshots?layer=4&at=0"):
        slider.press("Home")
    with page.expect_response("**/snapshots?layer=4&at=0&iterations=0"):
        page.get_by_role("button", name="Pin iteration 0").click()
    slider.press("End")
    page.get_by_role("button", name="Pin iteration 900").click()
    names = page.locator("#snapshots .legendtext")
    expect(names).to_have_text(["0", "900", "cursor, 900"])
    page.get_by_role("checkbox", name="900").uncheck()
    expect(names).to_have_text(["0", "cursor, 900"])
    page.close()


@pytest.mark.slow
def test_an_address_opens_what_its_reader_saw(browser: Browser, http: httpx2.Client) -> None:
    trial = collapsed_trial(http)
    page, _ = opened_page(browser, http, f"/view/trials/{trial}")
    slider = page.get_by_role("slider")
    for _ in range(6):
        slider.press("ArrowLeft")
    page.get_by_role("button", name="Pin iteration 450").click()
    page.locator("select[name=layer]").select_option("7")
    page.wait_for_url("**/view/trials/*?*at=450*")
    address = page.url
    assert {"at=450", "iterations=450", "layer=7"} <= set(address.partition("?")[2].split("&"))
    page.close()
    page, seen = opened_page(browser, http, address.partition(str(http.base_url))[2])
    assert page.locator(".cursor-bar output").text_content() == "450"
    assert page.locator("select[name=layer]").input_value() == "7"
    expect(page.locator("#snapshots .legendtext")).to_have_text(["450", "cursor, 450"])
    page.get_by_role("slider").press("End")
    page.wait_for_url(lambda url: "at=" not in url)
    # Where the verdict says that it began, its samples are one click away.
    link = page.get_by_role("link", name="mode collapse from iteration")
    began = (link.get_attribute("href") or "").removeprefix("?at=").partition("#")[0]
    link.click()
    expect(page.locator(".cursor-bar output")).to_have_text(began)
    assert page.locator(".film li").count() in (2, 3)
    assert seen == []
    page.close()


@pytest.mark.slow
def test_a_zoom_is_kept(browser: Browser, http: httpx2.Client) -> None:
    page, _ = opened_page(browser, http, f"/view/trials/{collapsed_trial(http)}")
    page.mouse.move(*place_of(page, "spectrum", "yaxis", 150))
    page.mouse.down()
    page.mouse.move(*place_of(page, "spectrum", "yaxis", 450), steps=5)
    page.mouse.up()
    get = "document.querySelector('#spectrum .canvas')._fullLayout.xaxis.range"
    zoomed = page.evaluate(get)
    assert zoomed == [pytest.approx(150, abs=20), pytest.approx(450, abs=20)]
    with page.expect_response("**/spectra?layer=7"):
        page.locator("select[name=layer]").select_option("7")
    page.locator("#spectrum").get_by_text("layer_7: index / r").wait_for()
    assert page.evaluate(get) == zoomed
    page.close()


@pytest.mark.slow
def test_any_column_can_be_drawn(browser: Browser, http: httpx2.Client) -> None:
    trial = collapsed_trial(http)
    page, _ = opened_page(browser, http, f"/view/trials/{trial}")
    page.get_by_text("Choose what is drawn").click()
    with page.expect_response(f"**/figures/trials/{trial}/curves?keys=images_per_second"):
        page.get_by_role("checkbox", name="images_per_second").check()
    expect(page.locator("#curves .subplot")).to_have_count(1)
    page.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "figures", "says"),
    [
        ("diverged", 5, "Mode collapse from iteration 375, divergence from iteration 750."),
        ("failed", 5, "RuntimeError: out of memory"),
        ("planned", 0, "It has not started: there is nothing to draw yet."),
        ("foreign", 5, "not with the reference Inception weights"),
        ("running", 5, "running: last heard of, after 12 s of training"),
    ],
)
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_every_kind_of_trial(
    browser: Browser,
    odd: httpx2.Client,
    name: str,
    figures: int,
    says: str,
    scheme: str,
    width: int,
) -> None:
    size = {"width": width, "height": 800}
    page, seen = opened_page(
        browser, odd, f"/view/trials/{id_of(name)}", color_scheme=scheme, viewport=size
    )
    assert page.locator("[data-figure]").count() == figures
    assert page.get_by_text(says).first.is_visible()
    assert page.locator(".empty").count() == 0
    assert well_behaved(page, seen)
    page.close()


@pytest.mark.slow
def test_a_page_follows_a_run(browser: Browser, odd: httpx2.Client, odd_store: Store) -> None:
    trial = id_of("running")
    page, _ = opened_page(browser, odd, f"/view/trials/{trial}")
    assert page.get_by_role("slider").get_attribute("max") == "8"
    who = TRIALS["running"]
    write_trial(odd_store, who)
    page.locator("#strip").scroll_into_view_if_needed()
    expect(page.locator(".cursor-bar output")).to_have_text("1500", timeout=20_000)
    expect(page.get_by_role("heading", level=1)).to_contain_text("completed", timeout=20_000)
    write_trial(odd_store, who, "running")
    page.close()


def test_no_button_without_control(odd: httpx2.Client) -> None:
    assert "/actions" not in odd.get(f"/view/trials/{id_of('failed')}").text


def test_a_trial_can_be_looked_through(browser: Browser, http: httpx2.Client) -> None:
    home = str(http.base_url).rstrip("/")
    found = http.get("/results?status=collapsed&method=sn").json()
    trial, snapshot = found["items"][0]["trial_id"], found["snapshot"]
    page = browser.new_page()
    seen = watch(page, home)
    page.goto(f"{home}/view/trials/{trial}")
    draw_all(page)
    with page.expect_response(f"{home}/figures/trials/{trial}/spectra?layer=7"):
        page.locator("select[name=layer]").select_option("7")
    link = page.locator("#spectrum .behind a").first
    page.get_by_text("layer_7: index / r").wait_for()
    assert link.get_attribute("href") == f"{home}/trials/{trial}/spectra?layer=7"
    assert page.locator("#spectrum .about").text_content() == f"1 trial, snapshot {snapshot}."
    with page.expect_download() as download:
        page.locator("#spectrum").get_by_role("button", name="SVG").click()
    assert download.value.suggested_filename == "spectrum.svg"
    page.locator("input[type=range]").press("ArrowLeft")
    image = page.get_by_alt_text("64 generated images at iteration 600")
    assert image.get_attribute("src") == f"/trials/{trial}/samples/600"
    assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    assert page.locator("#spectrum").get_by_text("mode collapse, 375").count() == 1
    assert page.locator("#spectrum").get_by_text("spectral collapse, 450").count() == 1
    assert seen == []
    page.close()
