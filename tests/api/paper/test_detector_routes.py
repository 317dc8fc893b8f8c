"""The contest of the detectors, served: JSON, tables, page."""

from __future__ import annotations

import csv
import io

import httpx2
import pytest
from playwright.sync_api import Browser

from tests.api.paper.paper_page import text_of
from tests.api.servers import serving, watch


def sigma_of(answer: dict) -> dict:
    (one,) = (item for item in answer["items"] if item["detector"] == "sigma rule")
    return one


def test_leads_hits_and_false_alarms_are_those_of_the_runs(contest: httpx2.Client) -> None:
    answer = contest.get("/detectors").json()
    assert answer["calibration_seeds"] == [100, 101]
    sigma = sigma_of(answer)
    total = sigma["total"]
    # Fallen from 300 on, an alarm at the third evaluation: 450 of an onset at 600.
    assert {lead["lead"] for lead in sigma["leads"]} == {150, None}
    assert (total["collapsed"], total["hits"], total["before"]) == (4, 3, 3)
    assert (total["healthy"], total["false_alarms"]) == (4, 1)
    by_method = {tally["method"]: tally for tally in sigma["by_method"]}
    assert by_method["sr-iso"]["hits"] == 0
    assert by_method["sn-renorm"]["false_alarms"] == 1
    # 4 collapsed at .5 .5 .5 0 of a fall, 4 healthy at 0 0 0 .5: (3 (3 + .5) + 1.5) / 16.
    assert sigma["area"] == pytest.approx(12 / 16)
    assert sigma["interval"][0] < sigma["area"] < sigma["interval"][1]


def test_without_calibration_seeds_the_reason_stands_for_the_numbers(
    contest: httpx2.Client,
) -> None:
    sigma = sigma_of(contest.get("/detectors?calibration_seeds=7").json())
    assert (sigma["threshold"], sigma["total"], sigma["leads"]) == (None, None, [])
    missing = "no collapsed and no healthy run of the calibration seeds (7)"
    assert sigma["reasons"]["threshold"] == missing
    page = text_of(contest.get("/view/detectors?calibration_seeds=7").text)
    assert f"not judged ({missing})" in page
    refused = contest.get("/detectors?calibration_seeds=x")
    assert refused.status_code == 422
    assert "calibration seeds are whole numbers, not 'x'" in refused.json()["detail"]


def test_a_row_per_detector_and_method(contest: httpx2.Client) -> None:
    rows = list(csv.DictReader(io.StringIO(contest.get("/detectors?format=csv").text)))
    own = [row for row in rows if row["detector"] == "sigma rule"]
    assert [row["method"] for row in own] == ["", "sn", "sn-renorm", "sr-iso", "sr-static"]
    assert own[0]["false_alarms"] == "1"


def test_filters_choose_the_runs(contest: httpx2.Client) -> None:
    sigma = sigma_of(contest.get("/detectors?method=sn&method=sr-static").json())
    assert (sigma["total"]["hits"], sigma["total"]["false_alarms"]) == (3, 0)
    assert (sigma["area"], sigma["interval"]) == (1, None)


def test_the_page_shows_the_counter_cases(contest: httpx2.Client) -> None:
    page = text_of(contest.get("/view/detectors").text)
    assert "sr-iso counter-case 1 0 0 of 1" in page
    assert "Not judged here: sr-floor, of which no finished run" in page
    assert "calibration seeds 100, 101 alone" in page
    assert "/view/detectors?profile=digits" in contest.get("/paper").text


def test_an_empty_store_says_what_to_run(tmp_path_factory: pytest.TempPathFactory) -> None:
    with serving(tmp_path_factory.mktemp("none")) as http:
        picture = http.get("/figures/detectors").json()
        assert picture["command"].startswith("python -m sweep.table1 --profile digits")
        assert http.get("/view/detectors").status_code == 200
        assert http.get("/detectors").json()["items"] == []


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_the_page_can_be_read(
    browser: Browser, contest: httpx2.Client, scheme: str, width: int
) -> None:
    size = {"width": width, "height": 800}
    page = browser.new_page(color_scheme=scheme, viewport=size)  # pyright: ignore[reportArgumentType] - the names that it knows
    home = str(contest.base_url).rstrip("/")
    faults = watch(page, home)
    page.goto(f"{home}/view/detectors")
    page.locator("#contest").scroll_into_view_if_needed()
    page.locator("#contest .main-svg").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert "sigma rule 0.75" in (page.locator("#contest .says").text_content() or "")
    assert faults == []
    page.close()
