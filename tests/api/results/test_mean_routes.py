"""Curves of groups over real HTTP, beside what each trial has stored."""

from __future__ import annotations

import csv
import io
import statistics

import httpx2
import pytest

from api.results import mean_routes

QUERY = "/groups/curves?setting=B_64-64&by=method"


def test_the_mean_is_of_the_trials_evaluations(http: httpx2.Client) -> None:
    body = http.get(QUERY).json()
    assert (body["score"], body["x"], body["by"]) == ("fd_digits", "iteration", ["method"])
    assert {item["by"]["method"] for item in body["items"]} == {
        "sn", "sr-static", "sn-renorm", "sr-lift",
    }  # fmt: skip
    item = body["items"][0]
    stored = [http.get(f"/trials/{trial}/evaluations").json()["items"] for trial in item["trials"]]
    assert [point["x"] for point in item["points"]] == [row["iteration"] for row in stored[0]]
    for k, point in enumerate(item["points"]):
        values = [rows[k]["fd_digits"] for rows in stored]
        assert (point["n"], point["values"]) == (2, values)
        assert point["mean"] == pytest.approx(statistics.fmean(values))


def test_filters_score_and_axis(http: httpx2.Client) -> None:
    body = http.get(f"{QUERY}&method=sn&seed=1&score=modes&x=images").json()
    (item,) = body["items"]
    assert (body["score"], item["seeds"]) == ("modes", [1])
    (row,) = http.get("/results?setting=B_64-64&method=sn&seed=1").json()["items"]
    assert item["points"][-1]["x"] == row["iteration"] * row["batch_size"]  # n_critic is 1
    onsets = http.get("/groups/curves?setting=C_32-32&method=sn&by=method").json()["items"][0]
    assert {o["iteration"] for o in onsets["onsets"]} == {375, 450}


def test_as_a_file_it_has_a_row_per_point(http: httpx2.Client) -> None:
    lines = list(csv.DictReader(io.StringIO(http.get(f"{QUERY}&format=csv").text)))
    points = [p for item in http.get(QUERY).json()["items"] for p in item["points"]]
    assert [float(line["mean"]) for line in lines] == [point["mean"] for point in points]
    assert {line["ci95_low"] for line in lines} == {""}  # two seeds


def test_a_figure_leads_to_its_data(http: httpx2.Client) -> None:
    figure = http.get("/figures/groups/curves?setting=B_64-64&by=method&band=ci95&log=true").json()
    assert figure["source"] == QUERY
    assert figure["trials"] == 8
    empty = http.get("/figures/groups/curves?x=gpu_hours").json()
    assert "choose another x axis" in empty["empty"]


def test_what_cannot_be_averaged_is_refused(
    http: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for query, words in {
        "score=fdd_digits": "did you mean",
        "by=metod": "method",
        "setings=C_32-32": "unknown query parameter",
    }.items():
        response = http.get(f"/groups/curves?{query}")
        assert response.status_code == 422
        assert words in response.json()["detail"]
    monkeypatch.setattr(mean_routes, "MOST_RUNS", 7)
    refusal = "more than the 7 that are averaged at a time: filter by sweep, setting or method"
    assert refusal in http.get(f"{QUERY}&seed=0&seed=1").json()["detail"]
    assert refusal in http.get("/figures/groups/curves?setting=B_64-64").json()["empty"]
