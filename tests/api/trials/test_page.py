"""The page of a trial, in a real browser: one cursor, what is drawn, what happened."""

from __future__ import annotations

import html
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from api.trials.timeline import Event, folded
from sweep.store.store import Store

FIGURES = ["strip", "outputs", "spectrum", "snapshots", "curves"]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory, kit: ModuleType) -> Iterator[httpx2.Client]:
    """Trials that are not as a page would like them, and one with kin."""
    root = tmp_path_factory.mktemp("odd")
    store = Store(root)
    trials = {
        name: kit.identity("C_32-32", method, seed)
        for seed, (name, method) in enumerate([
            ("healthy", "sr-static"), ("diverged", "sn"), ("failed", "sn"), ("planned", "sn"),
            ("running", "sr-static"), ("foreign", "sn"), ("branch", "sr-dynamic"),
        ])
    }  # fmt: skip
    trials["twin"] = kit.identity("C_32-32", "sn", 0)
    trials["foreign"] |= {"profile": "paper", "dataset": "imagenet", "setting": "E_512-64"}
    trials["branch"] |= {"parent": trials["failed"]["trial_id"], "parent_iteration": 150}
    for name in ("healthy", "twin", "branch"):
        kit.write_trial(store, trials[name])
    for name in ("failed", "running"):
        kit.write_trial(store, trials[name], name)
    kit.write_diverged(store, trials["diverged"])
    kit.write_imagenet(store, trials["foreign"])
    kit.write_plan(store, "odd", list(trials.values()))
    kit.write_driver(store, "odd")
    with kit.serving(root) as client:
        client.ids = {name: who["trial_id"] for name, who in trials.items()}  # pyright: ignore[reportAttributeAccessIssue] - for the tests
        client.store = store  # pyright: ignore[reportAttributeAccessIssue]
        yield client


def id_of(odd: httpx2.Client, name: str) -> str:
    return odd.ids[name]  # pyright: ignore[reportAttributeAccessIssue]


def opened(browser: Browser, http: httpx2.Client, trial: str, **of_page: object) -> Page:
    """The page with all its figures drawn; `page.seen` is what it must not do."""
    page = browser.new_page(**of_page)  # pyright: ignore[reportArgumentType]
    home = str(http.base_url).rstrip("/")
    seen: list[str] = []
    page.on("console", lambda m: seen.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: seen.append(str(error)))
    inside = (home, "data:", "blob:")
    page.on("request", lambda r: None if r.url.startswith(inside) else seen.append(r.url))
    page.seen = seen  # pyright: ignore[reportAttributeAccessIssue]
    page.goto(f"{home}/view/trials/{trial}")
    figures = page.locator("[data-figure]")
    for k in range(figures.count()):
        figures.nth(k).scroll_into_view_if_needed()
        figures.nth(k).locator(".main-svg, .empty p").first.wait_for()
    return page


def well_behaved(page: Page) -> bool:
    fits = "document.documentElement.scrollWidth <= innerWidth"
    return page.seen == [] and page.evaluate(fits)  # pyright: ignore[reportAttributeAccessIssue]


def collapsed(http: httpx2.Client) -> str:
    return http.get("/results?status=collapsed&method=sn").json()["items"][0]["trial_id"]


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
    trial = collapsed(http)
    page = opened(browser, http, trial)
    assert [
        figure.get_attribute("id") for figure in page.locator("[data-figure]").all()
    ] == FIGURES
    slider = page.get_by_role("slider")
    assert cursors(page, "strip") == [900] * 5
    with page.expect_response(f"**/figures/trials/{trial}/outputs?at=450"):
        for _ in range(6):
            slider.press("ArrowLeft")
    assert page.locator(".cursor-bar output").text_content() == "450"
    assert (slider.get_attribute("aria-valuetext") or "").startswith("iteration 450. FD-digits")
    assert cursors(page, "strip") == [450] * 5
    assert cursors(page, "spectrum") == [450]
    assert cursors(page, "curves") == [450] * 4
    assert page.get_by_alt_text("64 generated images at iteration 300").is_visible()
    expect(page.locator("#outputs").get_by_text("iteration 450")).to_be_visible()
    expect(page.locator("#snapshots").get_by_text("cursor, 450")).to_be_visible()
    assert well_behaved(page)
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
    page = opened(browser, http, collapsed(http))
    page.mouse.move(*place_of(page, "strip", "yaxis3", 300))
    expect(page.locator(".cursor-bar output")).to_have_text("300")
    assert page.get_by_alt_text("64 generated images at iteration 300").is_visible()
    page.close()


@pytest.mark.slow
def test_pinned_iterations_stay(browser: Browser, http: httpx2.Client) -> None:
    trial = collapsed(http)
    page = opened(browser, http, trial)
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
def test_a_zoom_is_kept(browser: Browser, http: httpx2.Client) -> None:
    page = opened(browser, http, collapsed(http))
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
    trial = collapsed(http)
    page = opened(browser, http, trial)
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
    page = opened(browser, odd, id_of(odd, name), color_scheme=scheme, viewport=size)
    assert page.locator("[data-figure]").count() == figures
    assert page.get_by_text(says).first.is_visible()
    assert page.locator(".empty").count() == 0
    assert well_behaved(page)
    page.close()


@pytest.mark.slow
def test_a_page_follows_a_run(browser: Browser, odd: httpx2.Client, kit: ModuleType) -> None:
    trial = id_of(odd, "running")
    page = opened(browser, odd, trial)
    assert page.get_by_role("slider").get_attribute("max") == "8"
    who = kit.identity("C_32-32", "sr-static", 4)
    store: Store = odd.store  # pyright: ignore[reportAttributeAccessIssue]
    kit.write_trial(store, who)
    page.locator("#strip").scroll_into_view_if_needed()
    expect(page.locator(".cursor-bar output")).to_have_text("1500", timeout=20_000)
    expect(page.get_by_role("heading", level=1)).to_contain_text("completed", timeout=20_000)
    kit.write_trial(store, who, "running")
    page.close()


def test_kin_and_difference_to_the_baseline(odd: httpx2.Client) -> None:
    healthy, twin = id_of(odd, "healthy"), id_of(odd, "twin")
    page = html.unescape(odd.get(f"/view/trials/{healthy}").text)
    assert f"/view/compare?t={twin}&t={healthy}" in page
    assert "Compare with its SN twin" in page
    table = page.partition("What differs from the baseline")[2].partition("</table>")[0]
    assert [row.partition("<")[0] for row in table.split('<th scope="row">')[1:]] == [
        "method", "form", "i_ratio",
    ]  # fmt: skip
    failed, branch = id_of(odd, "failed"), id_of(odd, "branch")
    assert f"/view/trials/{branch}" in odd.get(f"/view/trials/{failed}").text
    assert f"/view/trials/{failed}" in odd.get(f"/view/trials/{branch}").text
    assert "This is the baseline" in odd.get(f"/view/trials/{twin}").text


def test_no_button_without_control(odd: httpx2.Client) -> None:
    assert "/actions" not in odd.get(f"/view/trials/{id_of(odd, 'failed')}").text


def test_what_diverges_squashes_no_axis(odd: httpx2.Client) -> None:
    figure = odd.get(f"/figures/trials/{id_of(odd, 'diverged')}/curves").json()
    low, high = figure["layout"]["yaxis"]["range"]
    assert 0 < low < 1500
    assert 2500 < high < 4000
    (marks,) = [t for t in figure["data"] if t["name"] == "fd_digits: off the axis"]
    assert marks["x"] == [525, 600, 675, 750, 825, 900]
    assert marks["marker"]["symbol"] == ["triangle-up"] * 3 + ["x"] * 3
    assert "off the axis" in marks["text"][0]
    assert marks["text"][3] == "fd_digits: not finite"
    said = [note["text"] for note in figure["layout"]["annotations"]]
    assert "▲ 3 off the axis, ✕ 3 not finite" in said


def test_the_strip_is_of_shares(odd: httpx2.Client) -> None:
    trial = id_of(odd, "foreign")
    figure = odd.get(f"/figures/trials/{trial}/strip?rank=mean_ratio").json()
    layers = [trace for trace in figure["data"] if trace["name"].startswith("layer_")]
    assert len(layers) == 10
    assert {trace["y"][0] for trace in layers} == {1.0}
    dotted = [trace["name"] for trace in layers if trace["line"]["dash"] == "dot"]
    assert dotted == ["layer_2 (1x1)", "layer_5 (1x1)", "layer_8 (1x1)"]
    assert figure["layout"]["meta"]["steps"][-1] == 900
    assert figure["layout"]["meta"]["says"][-1].startswith("FID 61.2, 20.5 IS, gap ")


def test_histograms_are_of_the_last_evaluation_up_to_the_cursor(http: httpx2.Client) -> None:
    trial = collapsed(http)
    figure = http.get(f"/figures/trials/{trial}/outputs?at=460").json()
    assert "iteration 450" in [note["text"] for note in figure["layout"]["annotations"]]
    rows = http.get(f"/trials/{trial}/outputs?iteration=450&images=training&quantity=d").json()
    (row,) = rows["items"]
    (trace, _) = [t for t in figure["data"] if t["name"] == "training"]
    assert trace["x"][0] == row["low"]
    assert trace["x"][-1] == pytest.approx(row["high"])
    assert trace["y"][1:-1:2] == row["counts"]


def test_a_long_curve_is_thinned(tmp_path: Path, kit: ModuleType) -> None:
    store, who = Store(tmp_path / "results"), kit.identity("B_64-64", "sn", 0)
    kit.write_trial(store, who)
    rows = store.read_rows("evaluations", who["trial_id"])
    many = [rows[1] | {"iteration": k, "gap": 1.0 if k == 777 else 0.5} for k in range(5000)]
    store.write_rows("evaluations", who["trial_id"], many)
    with kit.serving(tmp_path / "results") as client:
        figure = client.get(f"/figures/trials/{who['trial_id']}/curves").json()
    (gap,) = [trace for trace in figure["data"] if trace["name"] == "gap"]
    (band,) = [trace for trace in figure["data"] if trace["name"] == "gap: range"]
    assert len(gap["x"]) == 300
    assert max(band["y"]) == 1.0
    assert len(zlib.compress(json.dumps(figure).encode())) < 60_000


def test_the_log_folds_evaluations_and_nothing_else() -> None:
    middle = [Event(says=f"at {k}", at=k) for k in range(40)]
    fell = Event(says="mode collapse began here", kind="signal", at=20)
    end = Event(says="completed", kind="state")
    events = [Event(says="started", kind="state"), *middle[:21], fell, *middle[21:], end]
    groups = folded(events)
    assert [event for _, group in groups for event in group] == events
    assert [(hidden, len(group)) for hidden, group in groups] == [
        (False, 4), (True, 18), (False, 1), (True, 14), (False, 6),
    ]  # fmt: skip
    assert all(event.kind == "evaluation" for hidden, g in groups if hidden for event in g)
