"""The paper's figures as data."""

from __future__ import annotations

import io
import math
from pathlib import Path

import httpx2
import pyarrow.parquet as pq
import pytest

from api.paper.figures.catalogue import VIEWS
from sweep.store.store import Store
from tests.api.paper.paper_page import figure_data
from tests.api.servers import serving
from tests.api.stores import identity, write_trial


def test_spectrum_and_scores_of_one_run(figures_http: httpx2.Client) -> None:
    (trial,) = figure_data(figures_http, "5?setting=C_64-32&points=3")["trials"]
    assert "The modes went first" in trial["verdict"]
    assert len(trial["spectra"]) == 13
    curve = figures_http.get(f"/trials/{trial['trial_id']}/evaluations").json()["items"]
    assert [s["distance"] for s in trial["spectra"]] == [row["fd_digits"] for row in curve]
    assert [s["modes"] for s in trial["spectra"]] == [row["modes"] for row in curve]
    assert trial["spectra"][3]["indices"] == [0, 8, 15]
    assert len(trial["spectra"][3]["singular_values"]) == 3


def test_outputs_over_i(figures_http: httpx2.Client) -> None:
    trials = figure_data(figures_http, "9")["trials"]
    assert [trial["i_ratio"] for trial in trials] == [0.25, 0.5, 1.0]
    kinds = {(h["images"], h["quantity"]) for h in trials[0]["histograms"]}
    assert kinds == {(i, q) for i in ("training", "generated") for q in ("d", "d_loss")}
    assert {h["iteration"] for h in trials[0]["histograms"]} == {1500}
    assert sum(trials[0]["histograms"][0]["counts"]) == 512
    tens = figure_data(figures_http, "10")["trials"][0]["histograms"]
    assert {(h["images"], h["quantity"]) for h in tens} == {("training", "d"), ("test", "d")}
    assert len(figure_data(figures_http, "11?iterations=75,150")["trials"][0]["histograms"]) == 6


def test_every_layer(figures_http: httpx2.Client) -> None:
    (trial,) = figure_data(figures_http, "14")["trials"]
    assert {spectrum["layer"] for spectrum in trial["spectra"]} == set(range(10))
    (one,) = figure_data(figures_http, "14?layer=4")["trials"]
    assert {spectrum["layer"] for spectrum in one["spectra"]} == {4}


@pytest.mark.parametrize("number", VIEWS)
def test_every_figure_is_a_table_and_has_a_tag(figures_http: httpx2.Client, number: int) -> None:
    response = figures_http.get(f"/fig/{number}?format=parquet")
    table = pq.read_table(io.BytesIO(response.content))
    trials = figure_data(figures_http, str(number))["trials"]
    assert table.num_rows == sum(len(t["spectra"]) + len(t["histograms"]) for t in trials) > 0
    lines = figures_http.get(f"/fig/{number}?format=csv").text.splitlines()
    assert len(lines) == 1 + table.num_rows
    tag = {"If-None-Match": response.headers["etag"]}
    assert figures_http.get(f"/fig/{number}?format=parquet", headers=tag).status_code == 304


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    store = Store(tmp_path)
    broken, odd = identity("B_64-64", "sn", 0), identity("B_128-64", "sn", 0)
    for trial in (broken, odd):
        write_trial(store, trial)
    store.write(f"spectra/{broken['trial_id']}.parquet", b"PAR1 no more")
    rows = store.read_rows("spectra", odd["trial_id"])
    rows[9] |= {"singular_values": [math.nan] * 16}
    store.write_rows("spectra", odd["trial_id"], rows)
    with serving(tmp_path) as http:
        body = figure_data(http, "3")
        assert [trial["setting"] for trial in body["trials"]] == ["B_128-64"]
        assert "cannot be read" in body["missing"][broken["trial_id"]]
        assert body["trials"][0]["spectra"][0]["singular_values"] == [None] * 16
