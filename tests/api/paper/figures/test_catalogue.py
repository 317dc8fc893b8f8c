"""Settings and trials that the paper's figures show."""

from __future__ import annotations

import httpx2
import pytest

from api.paper.figures.catalogue import VIEWS
from tests.api.paper.paper_page import figure_data


def test_spectra_of_healthy_and_collapsed_settings(figures_http: httpx2.Client) -> None:
    healthy, collapsed = figure_data(figures_http, "2"), figure_data(figures_http, "3")
    assert (len(healthy["settings"]), len(collapsed["settings"])) == (16, 10)
    assert [trial["setting"] for trial in healthy["trials"]] == ["A_128-128"]
    assert {trial["setting"] for trial in collapsed["trials"]} == {
        "B_64-64", "B_128-64", "C_64-32", "E_2048-64",
    }  # fmt: skip
    assert len(collapsed["missing"]) == 6
    assert collapsed["missing"]["C_8-32"] == "no trial of sn in the digits profile"
    trial = collapsed["trials"][0]
    assert (trial["seed"], trial["method"]) == (0, "sn")
    assert len(trial["spectra"]) == 6
    assert {spectrum["layer"] for spectrum in trial["spectra"]} == {9}
    moments = [spectrum["iteration"] for spectrum in trial["spectra"]]
    assert (moments[0], moments[-1], moments) == (0, 1500, sorted(moments))


def test_layer_0_of_a_group(figures_http: httpx2.Client) -> None:
    body = figure_data(figures_http, "4?group=B&seed=1")
    assert body["settings"] == ["B_8-64", "B_16-64", "B_32-64", "B_64-64", "B_128-64", "B_256-64"]
    assert [(t["setting"], t["seed"]) for t in body["trials"]] == [("B_64-64", 1), ("B_128-64", 1)]
    for trial in body["trials"]:
        assert [(s["layer"], s["iteration"]) for s in trial["spectra"]] == [(0, 1500)]


def test_the_rescue(figures_http: httpx2.Client) -> None:
    trials = figure_data(figures_http, "6")["trials"]
    assert [(t["method"], t["parent_iteration"]) for t in trials] == [
        ("sn", None), ("sr-dynamic", 600),
    ]  # fmt: skip
    assert trials[1]["parent"] == trials[0]["trial_id"]


def test_sn_against_sr(figures_http: httpx2.Client) -> None:
    assert [t["method"] for t in figure_data(figures_http, "7")["trials"]] == ["sn", "sr-static"]


@pytest.mark.parametrize("number", VIEWS)
def test_an_empty_profile(figures_http: httpx2.Client, number: int) -> None:
    body = figure_data(figures_http, f"{number}?profile=paper")
    assert body["trials"] == []
    assert set(body["missing"]) == set(body["settings"])
    assert figures_http.get(f"/fig/{number}?profile=paper&format=parquet").status_code == 200


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ("8", 404, "no data view of Fig. 8; there are: 2, 3, 4, 5, 6, 7, 9, 10, 11, 14"),
        ("-1", 404, "no data view"),
        ("x", 422, "valid integer"),
        ("2?setting=B_65", 422, "unknown setting 'B_65'"),
        ("2?profile=large", 422, "unknown profile 'large'"),
        ("14?layer=12", 422, "there is no layer 12"),
        ("14?iterations=7", 422, "has nothing at iteration 7; the nearest is 0"),
        ("2?points=1", 422, "greater than or equal to 2"),
        ("2?settings=B_64-64", 422, "unknown query parameter 'settings'"),
    ],
)
def test_bad_questions(figures_http: httpx2.Client, query: str, status: int, says: str) -> None:
    response = figures_http.get(f"/fig/{query}")
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert says in response.json()["detail"]
