"""Histograms of a trial, as data."""

from __future__ import annotations

import httpx2
import pytest

from tests.api.servers import collapsed_trial


def test_histograms_are_of_the_last_evaluation_up_to_the_cursor(http: httpx2.Client) -> None:
    trial = collapsed_trial(http)
    figure = http.get(f"/figures/trials/{trial}/outputs?at=460").json()
    assert "iteration 450" in [note["text"] for note in figure["layout"]["annotations"]]
    rows = http.get(f"/trials/{trial}/outputs?iteration=450&images=training&quantity=d").json()
    (row,) = rows["items"]
    (trace, _) = [t for t in figure["data"] if t["name"] == "training"]
    assert trace["x"][0] == row["low"]
    assert trace["x"][-1] == pytest.approx(row["high"])
    assert trace["y"][1:-1:2] == row["counts"]
