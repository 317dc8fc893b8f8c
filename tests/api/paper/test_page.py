"""The paper page: what it says, what it draws, on a screen and on paper."""

from __future__ import annotations

import gzip
import html
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, Page

from api.paper.headline import ASKED
from api.paper.page_figures import SECTIONS
from sweep.store.store import Store
from trainer.config.settings import METHODS

PLATES = {plate.id: plate for plates in SECTIONS.values() for plate in plates}
MOST_LIVE = 6


def text_of(page: str) -> str:
    """As a reader has it: without tags, spaces as one."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


def home_of(http: httpx2.Client) -> str:
    return str(http.base_url).rstrip("/")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, kit: ModuleType) -> Iterator[httpx2.Client]:
    """Seeds of SN, SR and the controls, i from 0.25 to 1, dynamic, a rescue, a divergence."""
    store = Store(tmp_path_factory.mktemp("story"))
    for method in ("sn", "sr-static", "sn-renorm", "sr-lift", "sr-dynamic"):
        for seed in (0, 1, 2):
            kit.write_trial(store, kit.identity("C_64-32", method, seed))
    for setting in ("A_128-128", "B_128-64", "E_2048-64"):
        kit.write_trial(store, kit.identity(setting, "sn", 0))
        for i_ratio in (0.25, 0.5, 1.0):
            kit.write_trial(store, kit.identity(setting, "sr-static", 0, i_ratio))
    parent = kit.identity("C_64-32", "sn", 0)
    rescue = kit.identity("C_64-32", "sr-dynamic", 7)
    branched = {"parent": parent["trial_id"], "parent_iteration": 300}
    kit.write_trial(store, rescue | branched)
    far = kit.identity("A_128-128", "sn", 1)
    kit.write_trial(store, far)
    (row,) = store.read_rows("trials", far["trial_id"])
    row |= {"best_fd_digits": 1e6, "diverged_at": 300}
    store.write_rows("trials", far["trial_id"], [row])
    with kit.serving(Path(store.base)) as client:
        yield client


@pytest.fixture(scope="module")
def said(story: httpx2.Client) -> str:
    return text_of(story.get("/paper").text)


def test_the_answer_comes_first(said: str) -> None:
    assert (
        "22 runs of 4 of the paper's 26 settings, 3 seeds" in said
    )  # at i 0.5, without the rescue
    assert "mode collapse was seen in 3 of 7 runs of sn" in said
    assert "The control sn-renorm, which renormalises and lifts nothing, has it in 3 of 3" in said
    assert "10 of 26 settings collapsed with SN, none with SR" in said
    assert said.index("mode collapse was seen in") < said.index("How it was measured")


def test_the_protocol_stands_beside_the_papers(said: str) -> None:
    assert "data set CIFAR-10, STL-10 at 32x32, ImageNet at 128x128 digits8" in said
    assert "iterations 50,000 in Figs. 2 to 4 1,500" in said
    assert "n_critic 5; on ImageNet 1 1" in said
    assert re.search(r"What keeps the others from it.*data set \(4\)", said)


def test_table_1_has_both_sizes(said: str) -> None:
    assert "A_1024-128 1024 128 cifar10 80 48 digits8 1,000 1" in said


def test_table_2_has_pairs_at_the_best_and_at_the_matched_iteration(
    story: httpx2.Client, said: str
) -> None:
    rows = {row["setting"]: row for row in story.get("/table2").json()["items"]}
    pair = rows["C_64-32"]["pairs"]["digits"]["sr-static"]
    assert pair["n"] == 3
    assert pair["best_interval"][0] < pair["best_mean"] < pair["best_interval"][1]
    bests = [seed["best_difference"] for seed in pair["seeds"]]
    assert pair["best_mean"] == pytest.approx(sum(bests) / 3)
    for value in (pair["best_mean"], pair["mean"]):
        assert f"{value:,.0f}".replace("-", "−") + " n=3" in said
    for format in ("json", "csv", "parquet", "latex", "markdown"):
        address = "/table2" if format == "json" else f"/table2?format={format}"
        assert f'href="{address}"' in story.get("/paper").text
        assert story.get(address).status_code == 200


def test_every_claim_has_a_verdict_in_words(story: httpx2.Client) -> None:
    page = story.get("/paper").text
    for claim in story.get("/claims").json()["items"]:
        row = text_of(page.split(f'id="claim-{claim["name"]}"')[1].split("</tr>")[0])
        assert claim["says"] in row
        assert claim["table"]["verdict"] in row
        assert claim["measured"]["digits"]["verdict"] in row
        assert claim["measured"]["digits"]["says"] in row


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


def figure(http: httpx2.Client, plate: str, **picks: str) -> dict[str, Any]:
    """As the page asks for it."""
    page = http.get("/paper", params={f"{plate}.{k}": v for k, v in picks.items()}).text
    (address,) = re.findall(rf'id="{plate}" data-figure="([^"]+)"', page)
    response = http.get(html.unescape(address))
    assert response.status_code == 200, response.text
    assert len(response.content) <= 150_000
    return response.json()


@pytest.mark.parametrize("plate", PLATES)
def test_every_figure_is_drawn_and_told(story: httpx2.Client, plate: str) -> None:
    drawn = figure(story, plate)
    assert drawn["empty"] is None
    assert drawn["data"]
    assert drawn["trials"] > 0
    assert drawn["says"]
    assert drawn["snapshot"] == story.get("/table2").json()["snapshot"]
    assert story.get(drawn["source"]).status_code == 200


@pytest.mark.parametrize("plate", PLATES)
def test_an_empty_figure_says_what_to_run(
    tmp_path_factory: pytest.TempPathFactory, kit: ModuleType, plate: str
) -> None:
    with kit.serving(tmp_path_factory.mktemp("nothing")) as http:
        drawn = figure(http, plate)
    assert drawn["data"] == []
    assert drawn["empty"]
    assert drawn["command"].startswith("python -m sweep.")


def test_curves_of_spectra_are_the_data_behind_them(story: httpx2.Client) -> None:
    drawn = figure(story, "fig3", group="C")
    data = story.get("/fig/3?group=C&profile=digits&points=64").json()
    lines = [trace for trace in drawn["data"] if trace["mode"] == "lines"]
    spectra = [spectrum for trial in data["trials"] for spectrum in trial["spectra"]]
    assert len(lines) == len(spectra) == 6
    for line, spectrum in zip(lines, spectra, strict=True):
        assert line["y"] == pytest.approx(spectrum["singular_values"], rel=1e-3)
        collapsed = spectrum["iteration"] >= 450
        assert line["line"]["dash"] == ("dash" if collapsed else "solid")
    assert len({line["line"]["color"] for line in lines}) == 6


def test_pairs_have_the_controls_beside_them(story: httpx2.Client) -> None:
    drawn = figure(story, "fig7")
    maps = [trace for trace in drawn["data"] if trace["type"] == "heatmap"]
    assert [trial["method"] for trial in story.get("/fig/7").json()["trials"]] == [
        "sn", "sr-static", "sn-renorm", "sr-lift",
    ]  # fmt: skip
    assert len(maps) == 4
    assert {(trace["zmin"], trace["zmax"]) for trace in maps} == {(0, 1)}


def test_the_rescue_is_found_where_there_is_one(story: httpx2.Client) -> None:
    drawn = figure(story, "fig6")
    assert "from iteration 300" in drawn["says"]
    assert drawn["trials"] == 2


def test_figure_8_shows_every_seed_and_what_the_text_says(story: httpx2.Client) -> None:
    drawn = figure(story, "fig8")
    (item,) = story.get("/fig8?setting=A_128-128").json()["items"]
    seeds = [(p["i_ratio"], s["best"]) for p in item["points"] for s in p["seeds"]]
    marks = [t for t in drawn["data"] if t["mode"] == "markers" and t["xaxis"] == "x"]
    assert sorted((x, y) for t in marks for x, y in zip(t["x"], t["y"], strict=True)) == seeds
    assert item["text"] in drawn["says"]
    assert item["agrees"]["verdict"] in drawn["says"]


def test_a_far_value_squashes_no_axis(story: httpx2.Client) -> None:
    drawn = figure(story, "seeds")
    beyond = [t for t in drawn["data"] if t["marker"]["symbol"] == "triangle-up"]
    assert len(beyond) == 1
    assert "1e+06" in beyond[0]["text"][0]
    highest = max(y for trace in drawn["data"] for y in trace["y"])
    assert highest < 10_000
    assert "beyond the axis: 1 mark" in drawn["says"]
    crosses = [t for t in drawn["data"] if t["marker"]["symbol"] == "x-thin"]
    cells = [m for row in story.get("/table2").json()["items"] for m in row["measured"].values()]
    fell = [s for by in cells for m in by.values() for s in m["seeds"] if s["mode_collapse_at"]]
    assert sum(len(trace["x"]) for trace in crosses) == len(fell) > 0


def test_survival_is_that_of_the_data(story: httpx2.Client) -> None:
    drawn = figure(story, "survival")
    (sn,) = (t for t in drawn["data"] if t.get("name", "").startswith("sn: "))
    items = story.get("/survival?profile=digits&method=sn").json()["items"]
    assert sn["y"][1:] == pytest.approx([step["share"] for step in items[0]["steps"]], abs=1e-4)
    assert sn["name"] == "sn: 3 of 7 collapsed"
    texts = {t["y"][0]: t["text"] for t in drawn["data"] if t["mode"] == "text"}
    assert texts["sn"][0] == "7"


def test_histograms_are_densities(story: httpx2.Client) -> None:
    drawn = figure(story, "fig11")
    for trace in drawn["data"]:
        steps = zip(trace["x"], trace["x"][1:], trace["y"], trace["y"][1:], strict=False)
        area = sum((b - a) * (low + high) / 2 for a, b, low, high in steps)
        assert area == pytest.approx(1, rel=0.02)


def test_a_pick_in_the_address_is_picked(story: httpx2.Client) -> None:
    page = story.get("/paper?fig5.setting=B_128-64&fig5.method=sr-static&fig5.layer=3").text
    assert "fig5?profile=digits&amp;setting=B_128-64&amp;method=sr-static&amp;layer=3" in page
    assert '<option value="B_128-64" selected' in page.split('id="fig5-section"')[1]
    drawn = figure(story, "fig5", setting="B_128-64", method="sr-static", layer="3")
    assert drawn["says"].startswith("B_128-64 sr-static i 0.25 seed 0, layer_3")


def test_what_cannot_be_picked_is_refused_in_the_figure(story: httpx2.Client) -> None:
    assert story.get("/figures/fig5?setting=Z_1-1").status_code == 422
    none = story.get("/figures/fig5?setting=A_128-128&method=sn&seed=40").json()
    assert none["empty"] == "There are its seeds 0, 1."
    assert story.get("/figures/fig/8").status_code == 404
    hostile = story.get('/paper?fig5.setting="><script>alert(1)</script>').text
    assert "<script>alert" not in hostile


def test_a_layer_of_imagenet(tmp_path: Path, kit: ModuleType) -> None:
    """Seventeen layers, FID and Inception Score, no modes: every figure is drawn all the same."""
    store = Store(tmp_path)
    for method in ("sn", "sr-static", "sr-dynamic"):
        who = kit.identity("E_512-64", method, 0)
        who |= {"profile": "paper", "dataset": "imagenet", "batch_size": 512, "channels": 64}
        kit.write_trial(store, who)
        rows = store.read_rows("evaluations", who["trial_id"])
        scores = {"inception_score": 20.5, "fid": 61.25, "modes": None, "fd_digits": None}
        rows = [row | scores for row in rows]
        store.write_rows("evaluations", who["trial_id"], rows)
        store.write_rows("spectra", who["trial_id"], kit.spectra(rows, (32,) * 17))
        (row,) = store.read_rows("trials", who["trial_id"])
        row |= {"best_fid": 61.25, "best_inception_score": 20.5}
        store.write_rows("trials", who["trial_id"], [row])
    with kit.serving(tmp_path) as http:
        page = http.get("/paper").text
        assert "paper profile" in page
        assert "layer_16" in page
        drawn = {plate: figure(http, plate) for plate in PLATES}
    assert {plate for plate, one in drawn.items() if one["empty"]} <= {"fig3", "fig6"}
    panels = {trace["xaxis"] for trace in drawn["fig14"]["data"] if "xaxis" in trace}
    assert len(panels) == 17
    assert "layer_16" in drawn["fig5"]["says"]
    assert "--data-root DIR" in drawn["fig3"]["command"]


def draw(page: Page, plate: str) -> None:
    page.locator(f"#{plate}").scroll_into_view_if_needed()
    page.locator(f"#{plate}").locator(".main-svg, .empty p").first.wait_for()


@pytest.mark.parametrize(
    ("scheme", "width"),
    [("light", 1280), pytest.param("dark", 390, marks=pytest.mark.slow)],
)
def test_it_can_be_read_through(
    browser: Browser, story: httpx2.Client, kit: ModuleType, scheme: str, width: int
) -> None:
    size = {"width": width, "height": 800}
    page = browser.new_page(color_scheme=scheme, viewport=size)  # pyright: ignore[reportArgumentType] - the names that it knows
    seen = kit.watch(page, home_of(story))
    page.goto(f"{home_of(story)}/paper")
    for plate in PLATES:
        draw(page, plate)
        assert page.locator("svg.main-svg:first-of-type").count() <= 3 * MOST_LIVE
    assert page.locator(".canvas.js-plotly-plot > .plot-container").count() <= MOST_LIVE
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    label = page.locator("#survival .canvas").get_attribute("aria-label") or ""
    assert label.startswith("Who has not collapsed. Share without mode collapse at the end: sn")
    assert seen == []
    page.close()


@pytest.mark.slow
def test_a_pick_changes_figure_and_address(
    browser: Browser, story: httpx2.Client, kit: ModuleType
) -> None:
    page = browser.new_page()
    seen = kit.watch(page, home_of(story))
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
    assert seen == []
    page.close()


@pytest.mark.slow
def test_it_can_be_put_on_paper(browser: Browser, story: httpx2.Client, kit: ModuleType) -> None:
    page = browser.new_page(color_scheme="dark")
    seen = kit.watch(page, home_of(story))
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
    assert seen == []
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
def test_many_trials_make_a_small_page(tmp_path: Path, kit: ModuleType) -> None:
    """Neither a row nor an option per trial: twenty times the seeds is hardly more page."""
    sizes = []
    for seeds in (10, 200):
        store = Store(tmp_path / str(seeds))
        for method in ("sn", "sr-static"):
            kit.write_trial(store, kit.identity("C_32-32", method, 0))
            who = kit.identity("C_32-32", method, 0)
            (row,) = store.read_rows("trials", who["trial_id"])
            for seed in range(1, seeds):
                twin = kit.identity("C_32-32", method, seed)
                store.write_rows("trials", twin["trial_id"], [row | twin])
        with kit.serving(tmp_path / str(seeds)) as http:
            kit.wait_for(lambda: http.get("/readyz").status_code == 200)
            text = http.get("/paper").text
            drawn = figure(http, "seeds")
        sizes.append(len(gzip.compress(text.encode(), 4)))
        assert f"{seeds} seeds" in text
        assert drawn["trials"] == 2 * seeds
    assert sizes[1] < 1.2 * sizes[0] < 300_000


def test_methods_that_stand_for_sr_are_known() -> None:
    """The page's own list of them: a method that is renamed must be renamed there too."""
    assert set(ASKED) <= set(METHODS)
