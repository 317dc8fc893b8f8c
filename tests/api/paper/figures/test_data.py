"""The paper's figures as data."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx2
import pyarrow.parquet as pq
import pytest

from api.paper.figures.catalogue import VIEWS
from sweep.store.store import Store


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory, kit: ModuleType) -> Iterator[httpx2.Client]:
    """Every setting that the figures show by themselves, a rescue among them."""
    store = Store(tmp_path_factory.mktemp("shown"))
    for setting in ("B_64-64", "B_128-64", "C_64-32", "A_128-128", "E_2048-64"):
        for seed in (0, 1):
            kit.write_trial(store, kit.identity(setting, "sn", seed))
            kit.write_trial(store, kit.identity(setting, "sr-static", seed))
    for i_ratio in (0.25, 1.0):
        kit.write_trial(store, kit.identity("A_128-128", "sr-static", 0, i_ratio))
    sn = kit.identity("E_2048-64", "sn", 0)
    rescue = kit.identity("E_2048-64", "sr-dynamic", 0)
    kit.write_trial(store, rescue | {"parent": sn["trial_id"], "parent_iteration": 600})
    with kit.serving(Path(store.base)) as http:
        yield http


def get(http: httpx2.Client, query: str) -> dict[str, Any]:
    response = http.get(f"/fig/{query}")
    assert response.status_code == 200, response.text
    return response.json()


def test_spectra_of_healthy_and_collapsed_settings(shown: httpx2.Client) -> None:
    healthy, collapsed = get(shown, "2"), get(shown, "3")
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


def test_layer_0_of_a_group(shown: httpx2.Client) -> None:
    body = get(shown, "4?group=B&seed=1")
    assert body["settings"] == ["B_8-64", "B_16-64", "B_32-64", "B_64-64", "B_128-64", "B_256-64"]
    assert [(t["setting"], t["seed"]) for t in body["trials"]] == [("B_64-64", 1), ("B_128-64", 1)]
    for trial in body["trials"]:
        assert [(s["layer"], s["iteration"]) for s in trial["spectra"]] == [(0, 1500)]


def test_spectrum_and_scores_of_one_run(shown: httpx2.Client) -> None:
    (trial,) = get(shown, "5?setting=C_64-32&points=3")["trials"]
    assert "The modes went first" in trial["verdict"]
    assert len(trial["spectra"]) == 13
    curve = shown.get(f"/trials/{trial['trial_id']}/evaluations").json()["items"]
    assert [s["distance"] for s in trial["spectra"]] == [row["fd_digits"] for row in curve]
    assert [s["modes"] for s in trial["spectra"]] == [row["modes"] for row in curve]
    assert trial["spectra"][3]["indices"] == [0, 8, 15]
    assert len(trial["spectra"][3]["singular_values"]) == 3


def test_the_rescue(shown: httpx2.Client) -> None:
    trials = get(shown, "6")["trials"]
    assert [(t["method"], t["parent_iteration"]) for t in trials] == [
        ("sn", None), ("sr-dynamic", 600),
    ]  # fmt: skip
    assert trials[1]["parent"] == trials[0]["trial_id"]


def test_sn_against_sr(shown: httpx2.Client) -> None:
    assert [t["method"] for t in get(shown, "7")["trials"]] == ["sn", "sr-static"]


def test_outputs_over_i(shown: httpx2.Client) -> None:
    trials = get(shown, "9")["trials"]
    assert [trial["i_ratio"] for trial in trials] == [0.25, 0.5, 1.0]
    kinds = {(h["images"], h["quantity"]) for h in trials[0]["histograms"]}
    assert kinds == {(i, q) for i in ("training", "generated") for q in ("d", "d_loss")}
    assert {h["iteration"] for h in trials[0]["histograms"]} == {1500}
    assert sum(trials[0]["histograms"][0]["counts"]) == 512
    tens = get(shown, "10")["trials"][0]["histograms"]
    assert {(h["images"], h["quantity"]) for h in tens} == {("training", "d"), ("test", "d")}
    assert len(get(shown, "11?iterations=75,150")["trials"][0]["histograms"]) == 6


def test_every_layer(shown: httpx2.Client) -> None:
    (trial,) = get(shown, "14")["trials"]
    assert {spectrum["layer"] for spectrum in trial["spectra"]} == set(range(10))
    (one,) = get(shown, "14?layer=4")["trials"]
    assert {spectrum["layer"] for spectrum in one["spectra"]} == {4}


@pytest.mark.parametrize("number", VIEWS)
def test_every_figure_is_a_table_and_has_a_tag(shown: httpx2.Client, number: int) -> None:
    response = shown.get(f"/fig/{number}?format=parquet")
    table = pq.read_table(io.BytesIO(response.content))
    trials = get(shown, str(number))["trials"]
    assert table.num_rows == sum(len(t["spectra"]) + len(t["histograms"]) for t in trials) > 0
    lines = shown.get(f"/fig/{number}?format=csv").text.splitlines()
    assert len(lines) == 1 + table.num_rows
    tag = {"If-None-Match": response.headers["etag"]}
    assert shown.get(f"/fig/{number}?format=parquet", headers=tag).status_code == 304


@pytest.mark.parametrize("number", VIEWS)
def test_an_empty_profile(shown: httpx2.Client, number: int) -> None:
    body = get(shown, f"{number}?profile=paper")
    assert body["trials"] == []
    assert set(body["missing"]) == set(body["settings"])
    assert shown.get(f"/fig/{number}?profile=paper&format=parquet").status_code == 200


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
def test_bad_questions(shown: httpx2.Client, query: str, status: int, says: str) -> None:
    response = shown.get(f"/fig/{query}")
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert says in response.json()["detail"]


def test_what_cannot_be_read_is_named(tmp_path: Path, kit: ModuleType) -> None:
    store = Store(tmp_path)
    broken, odd = kit.identity("B_64-64", "sn", 0), kit.identity("B_128-64", "sn", 0)
    for who in (broken, odd):
        kit.write_trial(store, who)
    store.write(f"spectra/{broken['trial_id']}.parquet", b"PAR1 no more")
    rows = store.read_rows("spectra", odd["trial_id"])
    rows[9] |= {"singular_values": [math.nan] * 16}
    store.write_rows("spectra", odd["trial_id"], rows)
    with kit.serving(tmp_path) as http:
        body = get(http, "3")
        assert [trial["setting"] for trial in body["trials"]] == ["B_128-64"]
        assert "cannot be read" in body["missing"][broken["trial_id"]]
        assert body["trials"][0]["spectra"][0]["singular_values"] == [None] * 16
