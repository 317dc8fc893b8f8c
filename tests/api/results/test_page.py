"""The page that lists trials: what its URL says is what it shows."""

from __future__ import annotations

import html
import re
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser

from tests.api.servers import serving


def rows(text: str) -> list[str]:
    """The ids of the trials in the order of the table."""
    return re.findall(r'<input type="checkbox" name="t" value="([^"]+)"', text)


@pytest.mark.parametrize(
    "query",
    [
        "setting=C_32-32&method=sn",
        "sort=best_fd_digits&setting=A_*",
        "sort=-best_fd_digits",
        "collapsed=true",
        "fd_digits_lt=600&method=sn-renorm",
        "sweep=fig8&sort=i_ratio",
        "seed=1&status=completed",
    ],
)
def test_it_lists_what_the_json_route_lists(http: httpx2.Client, query: str) -> None:
    listed = http.get(f"/results?{query}&limit=50").json()["items"]
    assert rows(http.get(f"/view/trials?{query}").text) == [one["trial_id"] for one in listed]
    assert listed


def test_pages_follow_each_other(http: httpx2.Client) -> None:
    seen: list[str] = []
    address: str | None = "/view/trials?limit=7&sort=best_fd_digits"
    while address:
        text = http.get(address).text
        seen += rows(text)
        found = re.search(r'href="([^"]+)" rel="next"', text)
        address = found and found[1].replace("&amp;", "&")
    everything = http.get("/results?sort=best_fd_digits&limit=1000").json()["items"]
    assert seen == [one["trial_id"] for one in everything]


def test_columns_are_those_of_the_url(http: httpx2.Client) -> None:
    text = http.get("/view/trials?columns=method&columns=final,best_modes&columns=host").text
    heads = [
        re.sub(r"<[^>]+>", "", head).strip()
        for head in re.findall(r"<th scope=\"col\".*?</th>", text)
    ]
    assert heads == ["compare", "setting", "method", "final", "best modes", "host"]
    assert "worker-1" in text


def test_groups_are_those_of_the_json_route(http: httpx2.Client) -> None:
    text = http.get("/view/trials?by=setting,method&setting=C_32-32").text
    (group, *_) = http.get("/groups?by=setting,method&setting=C_32-32&method=sn").json()["items"]
    assert f"{group['values']['mean']:,.0f}" in text
    assert "8 groups" not in text
    assert "4 groups of 14 trials" in text


def test_what_a_form_sends_empty_is_left_out(http: httpx2.Client) -> None:
    response = http.get("/view/trials?setting=&seed=&method=sn&by=")
    assert response.status_code == 303
    assert response.headers["location"] == "/view/trials?method=sn"


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("metod=sn", "did you mean: method"),
        ("columns=best_fdd", "did you mean: best_fid"),
        ("sort=nothing_known", "unknown sort column"),
        ("by=methods", "did you mean: method"),
        ("limit=100000", "less than or equal to 500"),
        ("cursor=abc", "malformed cursor"),
        ("seed=x", "seed"),
        ("setting=Z_*", "unknown setting"),
    ],
)
def test_what_is_not_known_is_told_on_a_page(http: httpx2.Client, query: str, says: str) -> None:
    response = http.get(f"/view/trials?{query}")
    assert response.status_code in (400, 422)
    assert response.headers["content-type"].startswith("text/html")
    assert says in response.text


def test_a_group_leads_to_its_trials_and_files(http: httpx2.Client) -> None:
    text = http.get("/view/trials?by=method,seed&setting=C_32-32").text
    (group,) = re.findall(r'<a href="(/view/trials[^"]*method=sn&[^"]*)">(\d+)</a>', text)[:1]
    trials = http.get(html.unescape(group[0]).replace("/view/trials", "/results")).json()
    assert len(trials["items"]) == int(group[1])
    assert {row["method"] for row in trials["items"]} == {"sn"}
    csv = re.search(r'href="(/groups\?[^"]*format=csv)"', text)
    assert csv is not None
    lines = http.get(html.unescape(csv.group(1))).text.splitlines()
    names = lines[0].split(",")
    assert {"method", "seed", "n", "ci95_low", "median"} <= set(names)
    # A count is an integer wherever it is written.
    assert all(line.split(",")[names.index("n")].isdecimal() for line in lines[1:])


def test_trials_are_chosen_across_pages(browser: Browser, http: httpx2.Client) -> None:
    home = str(http.base_url).rstrip("/")
    page = browser.new_page()
    page.goto(f"{home}/view/trials?limit=5&sort=trial_id")
    button = page.get_by_role("button", name="Compare")
    assert button.is_disabled()
    boxes = page.locator("input[name=t]")
    chosen = [boxes.nth(k).get_attribute("value") for k in (1, 3)]
    for k in (1, 3):
        boxes.nth(k).check()
    page.get_by_role("link", name="Next 5").click()
    page.wait_for_url("**cursor=**")
    page.get_by_text("2 of at most 8 selected.").wait_for()
    chosen.append(boxes.nth(0).get_attribute("value"))
    boxes.nth(0).check()
    page.get_by_role("button", name="Compare 3").click()
    page.wait_for_url("**/view/compare?**")
    query = httpx2.URL(page.url).params
    assert query.get_list("t") == chosen
    page.close()


@pytest.mark.parametrize("root", ["empty", "absent"])
@pytest.mark.parametrize("path", ["/", "/view/trials", "/view/trials?by=method", "/paper"])
def test_a_page_without_any_trial_says_what_fills_it(tmp_path: Path, path: str, root: str) -> None:
    (tmp_path / "empty").mkdir()
    with serving(tmp_path / root) as http:
        response = http.get(path, headers={"Accept": "text/html"})
    assert response.status_code == 200
    assert "make demo" in response.text or "python -m sweep." in response.text
