"""Every figure of the paper page: drawn, or saying what to run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from sweep.store.store import Store
from tests.api.paper.paper_page import PLATES, figure
from tests.api.servers import serving
from tests.api.stores import identity, spectra, write_trial


@pytest.mark.parametrize("plate", PLATES)
def test_every_figure_is_drawn_and_told(story: httpx2.Client, plate: str) -> None:
    picture = figure(story, plate)
    assert picture["empty"] is None
    assert picture["data"]
    assert picture["trials"] > 0
    assert picture["says"]
    assert picture["snapshot"] == story.get("/table2").json()["snapshot"]
    assert story.get(picture["source"]).status_code == 200


@pytest.fixture(scope="module")
def nothing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    with serving(tmp_path_factory.mktemp("nothing")) as client:
        yield client


@pytest.mark.parametrize("plate", PLATES)
def test_an_empty_figure_says_what_to_run(nothing: httpx2.Client, plate: str) -> None:
    picture = figure(nothing, plate)
    assert picture["data"] == []
    assert picture["empty"]
    assert picture["command"].startswith("python -m sweep.")


def test_a_layer_of_imagenet(tmp_path: Path) -> None:
    """Seventeen layers, FID and Inception Score, no modes: every figure is drawn all the same."""
    store = Store(tmp_path)
    for method in ("sn", "sr-static", "sr-dynamic"):
        trial = identity("E_512-64", method, 0)
        trial |= {"profile": "paper", "dataset": "imagenet", "batch_size": 512, "channels": 64}
        write_trial(store, trial)
        rows = store.read_rows("evaluations", trial["trial_id"])
        scores = {"inception_score": 20.5, "fid": 61.25, "modes": None, "fd_digits": None}
        rows = [row | scores for row in rows]
        store.write_rows("evaluations", trial["trial_id"], rows)
        store.write_rows("spectra", trial["trial_id"], spectra(rows, (32,) * 17))
        (row,) = store.read_rows("trials", trial["trial_id"])
        row |= {"best_fid": 61.25, "best_inception_score": 20.5}
        store.write_rows("trials", trial["trial_id"], [row])
    with serving(tmp_path) as http:
        page = http.get("/paper").text
        assert "paper profile" in page
        assert "layer_16" in page
        picture = {plate: figure(http, plate) for plate in PLATES}
    assert {plate for plate, one in picture.items() if one["empty"]} <= {"fig3", "fig6"}
    panels = {trace["xaxis"] for trace in picture["fig14"]["data"] if "xaxis" in trace}
    assert len(panels) == 17
    assert "layer_16" in picture["fig5"]["says"]
    assert "--data-root DIR" in picture["fig3"]["command"]
