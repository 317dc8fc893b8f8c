"""Trials side by side: the page in a real browser, its JSON twin and its figures as data."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import httpx2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, Page, expect

from api.compare.figures import styles
from api.drawing.look import COLOURS
from sweep.store.store import Store

NAMES = ("healthy", "sn", "diverged", "failed", "planned", "foreign", "seed", "renorm")


@pytest.fixture(scope="module")
def ids() -> dict[str, str]:
    """Trials by what is odd about them; filled by `odd`."""
    return {}


@pytest.fixture(scope="module")
def odd(
    tmp_path_factory: pytest.TempPathFactory, kit: ModuleType, ids: dict[str, str]
) -> Iterator[httpx2.Client]:
    root = tmp_path_factory.mktemp("odd")
    store = Store(root)
    others = {"healthy": "sr-static", "seed": "sr-static", "renorm": "sn-renorm"}
    methods = {name: others.get(name, "sn") for name in NAMES}
    seeds = {"diverged": 2, "failed": 3, "planned": 4, "seed": 1}
    trials = {n: kit.identity("C_32-32", methods[n], seeds.get(n, 0)) for n in NAMES}
    trials["foreign"] = kit.identity("E_512-64", "sn", 0)
    trials["foreign"] |= {"profile": "paper", "dataset": "imagenet", "iterations": 45_000}
    ids |= {name: who["trial_id"] for name, who in trials.items()}
    for name in ("healthy", "sn", "seed", "renorm"):
        kit.write_trial(store, trials[name])
    kit.write_trial(store, trials["failed"], "failed")
    kit.write_diverged(store, trials["diverged"])
    kit.write_imagenet(store, trials["foreign"])
    kit.write_plan(store, "odd", list(trials.values()))
    kit.write_driver(store, "odd", state="finished")
    with kit.serving(root) as client:
        yield client


def asked(ids: dict[str, str], *names: str) -> dict[str, list[str]]:
    return {"t": [ids[name] for name in names]}


def opened(browser: Browser, http: httpx2.Client, path: str, **of_page: Any) -> Page:
    """The page with all its figures drawn; `page.seen` is what it must not do."""
    page = browser.new_page(**of_page)
    home = str(http.base_url).rstrip("/")
    seen: list[str] = []
    page.on("console", lambda m: seen.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: seen.append(str(error)))
    inside = (home, "data:", "blob:")
    page.on("request", lambda r: None if r.url.startswith(inside) else seen.append(r.url))
    page.seen = seen  # pyright: ignore[reportAttributeAccessIssue]
    page.goto(home + path)
    figures = page.locator("[data-figure]")
    for k in range(figures.count()):
        figures.nth(k).scroll_into_view_if_needed()
        figures.nth(k).locator(".main-svg, .empty p").first.wait_for()
    return page


def address(ids: dict[str, str], *names: str) -> str:
    return "/view/compare?" + "&".join(f"t={ids[name]}" for name in names)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scheme", "width", "names"),
    [("light", 1280, NAMES), ("dark", 390, NAMES), ("light", 390, ("sn", "healthy"))],
)
def test_a_page_of_any_trials(
    browser: Browser, odd: httpx2.Client, ids: dict[str, str], scheme: str, width: int,
    names: tuple[str, ...],
) -> None:  # fmt: skip
    size = {"width": width, "height": 800}
    page = opened(browser, odd, address(ids, *names), color_scheme=scheme, viewport=size)
    assert page.locator("[data-figure]").count() == 3
    assert page.locator(".empty").count() == 0
    across = "1" if width == 390 else "4"
    spectra = page.locator("#spectra").get_attribute("data-figure") or ""
    assert f"columns={across}" in spectra
    assert page.seen == []  # pyright: ignore[reportAttributeAccessIssue]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


@pytest.mark.slow
def test_one_slider_for_all(browser: Browser, odd: httpx2.Client, ids: dict[str, str]) -> None:
    page = opened(browser, odd, address(ids, "sn", "healthy"))
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
    page = opened(browser, odd, address(ids, "sn", "healthy"))
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
) -> None:  # fmt: skip
    known = ids | {"unknown": "digits.C_32-32.sn.-.s0-00000000"}
    page = odd.get("/view/compare", params=asked(known, *names))
    assert page.status_code == code
    text = html.unescape(page.text)
    assert says in text
    assert 'action="/view/compare"' in text
    refused = odd.get("/compare", params=asked(known, *names))
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


def test_what_differs_and_how_they_did(odd: httpx2.Client, ids: dict[str, str]) -> None:
    answer = odd.get("/compare", params=asked(ids, "sn", "healthy", "planned")).json()
    differing = {one["key"]: one["values"] for one in answer["keys"]}
    assert differing == {
        "method": ["sn", "sr-static", "sn"],
        "form": [None, "project", None],
        "i_ratio": [None, 0.5, None],
        "seed": [0, 0, 4],
    }
    first, second, third = answer["trials"]
    assert [one["label"] for one in answer["trials"]] == [
        "A sn seed 0", "B sr-static i 0.5 seed 0", "C sn seed 4",
    ]  # fmt: skip
    assert first["best_distance"]["above_first"] is None
    expected = second["best"]["fd_digits"] - first["best"]["fd_digits"]
    assert second["best_distance"]["above_first"] == pytest.approx(expected)
    rows = odd.get(f"/trials/{ids['healthy']}/evaluations?keys=fd_digits").json()["items"]
    (at_900,) = [row["fd_digits"] for row in rows if row["iteration"] == 900]
    assert second["matched_distance"]["iteration"] == 900
    assert second["matched_distance"]["value"] == pytest.approx(at_900)
    assert third["best_distance"]["value"] is None
    assert third["verdict"]["sentence"] == "Not started."
    assert answer["latent_vectors"] == "seeds differ"
    same = odd.get("/compare", params=asked(ids, "sn", "healthy") | {"all": "true"}).json()
    assert same["latent_vectors"] is None
    assert {one["key"] for one in same["keys"] if not one["differs"]} >= {"seed", "n_critic"}


def test_scores_of_other_kinds_are_not_subtracted(odd: httpx2.Client, ids: dict[str, str]) -> None:
    answer = odd.get("/compare", params=asked(ids, "sn", "foreign")).json()
    assert answer["trials"][1]["score"] == "fid"
    assert answer["trials"][1]["best_distance"]["above_first"] is None
    figure = odd.get("/figures/compare/curves", params=asked(ids, "sn", "foreign")).json()
    titles = [note["text"] for note in figure["layout"]["annotations"]]
    assert titles[:2] == ["FD-digits (lower is better)", "FID (lower is better)"]
    # 45,000 iterations planned beside 1,500: by share of the plan unless asked otherwise.
    assert max(max(trace["x"]) for trace in figure["data"]) <= 1


def test_a_diverged_trial_squashes_no_axis_of_the_others(
    odd: httpx2.Client, ids: dict[str, str]
) -> None:
    figure = odd.get("/figures/compare/curves", params=asked(ids, "healthy", "diverged")).json()
    low, high = figure["layout"]["yaxis"]["range"]
    assert 0 < low < high < 4000
    (marks,) = [t for t in figure["data"] if t["name"].startswith("B") and t["yaxis"] == "y"
                and t["mode"] == "markers"]  # fmt: skip
    assert marks["x"] == [525, 600, 675, 750, 825, 900]
    assert figure["trials"] == 2


def test_spectra_are_on_one_scale(odd: httpx2.Client, ids: dict[str, str]) -> None:
    query = asked(ids, *NAMES) | {"layer": "9", "columns": "4"}
    figure = odd.get("/figures/compare/spectra", params=query).json()
    assert figure["trials"] == 7
    assert {trace["coloraxis"] for trace in figure["data"]} == {"coloraxis"}
    assert (figure["layout"]["coloraxis"]["cmin"], figure["layout"]["coloraxis"]["cmax"]) == (0, 1)
    assert not any("zmin" in trace or "colorscale" in trace for trace in figure["data"])
    deep = odd.get("/figures/compare/spectra", params=query | {"layer": "16"}).json()
    assert deep["trials"] == 1
    none = odd.get("/figures/compare/spectra", params=query | {"layer": "17"}).json()
    assert none["empty"] == "No trial has a layer_17."


def test_the_rows_behind_a_figure(odd: httpx2.Client, ids: dict[str, str]) -> None:
    two = asked(ids, "sn", "healthy")
    figure = odd.get("/figures/compare/spectra", params=two | {"layer": "3"}).json()
    rows = odd.get(figure["source"]).json()["items"]
    assert {(row["trial_id"], row["layer"]) for row in rows} == {(one, 3) for one in two["t"]}
    table = odd.get(f"{figure['source']}&format=parquet").content
    assert pq.read_table(pa.BufferReader(table)).num_rows == len(rows)
    csv = odd.get("/compare/evaluations", params=two | {"format": "csv"}).text.splitlines()
    assert len(csv) == 1 + 13 + 21
    outputs = odd.get("/figures/compare/outputs", params=two | {"quantity": "d_loss"}).json()
    assert {trace["name"] for trace in outputs["data"]} == {"training", "test", "generated"}


def test_a_colour_and_a_kind_of_line_each() -> None:
    two = styles(["sn", "sr-static"])
    assert [one.colour for one in two] == [COLOURS["sn"], COLOURS["sr-static"]]
    assert two[0].dash != two[1].dash
    pairs = styles(["sn", "sn", "sr-static", "sr-static"])
    assert len({(one.colour, one.dash) for one in pairs}) == 4
    assert {one.colour for one in pairs} == {COLOURS["sn"], COLOURS["sr-static"]}
    for eight in (["sn"] * 8, ["sn"] * 7 + ["sr-static"]):
        assert len({one.colour for one in styles(eight)}) == 8
        assert len({one.dash for one in styles(eight)}) == 8
