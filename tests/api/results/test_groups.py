"""A score over groups of trials."""

from __future__ import annotations

import io
import math
import statistics
from pathlib import Path
from typing import Any

import httpx2
import pyarrow.parquet as pq
import pytest

from sweep.store.store import Store
from tests.api.servers import serving
from tests.api.stores import identity, write_trial

# Student's t, two-sided 95 %, two degrees of freedom.
T_2 = 4.302653


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seeds of SN and SR with known scores, one still running, one NaN at its end."""
    root = tmp_path_factory.mktemp("three")
    store = Store(root)
    for method, scores in {"sn": (100.0, 110.0, 130.0), "sr-static": (90.0, 95.0, 70.0)}.items():
        for seed, score in enumerate(scores):
            who = identity("A_64-128", method, seed)
            write_trial(store, who)
            (row,) = store.read_rows("trials", who["trial_id"])
            row |= {"best_fd_digits": score, "final_fd_digits": math.nan if seed == 2 else score}
            store.write_rows("trials", who["trial_id"], [row])
    write_trial(store, identity("A_64-128", "sn", 3), "running")
    return root


def test_by_method(three: Path) -> None:
    with serving(three) as http:
        body = http.get("/groups?by=method,i_ratio&agg=mean,sd,n,ci95").json()
        assert (body["score"], body["by"]) == ("best_fd_digits", ["method", "i_ratio"])
        sn, sr = body["items"]
        assert (sn["by"], sr["by"]) == (
            {"method": "sn", "i_ratio": None}, {"method": "sr-static", "i_ratio": 0.5},
        )  # fmt: skip
        assert (sn["trials"], sn["values"]["n"], sn["settings"], sn["seeds"]) == (4, 3, 1, 3)
        scores = [100, 110, 130]
        assert sn["values"]["mean"] == pytest.approx(statistics.fmean(scores))
        assert sn["values"]["sd"] == pytest.approx(statistics.stdev(scores))
        half = T_2 * statistics.stdev(scores) / math.sqrt(3)
        mean = statistics.fmean(scores)
        assert sn["values"]["ci95"] == pytest.approx([mean - half, mean + half], rel=1e-5)


def test_nan_is_no_number_and_is_told(three: Path) -> None:
    with serving(three) as http:
        query = "/groups?by=method&score=final_fd_digits&agg=n,mean"
        sn = http.get(query).json()["items"][0]
        assert sn["values"] == {"n": 3, "mean": None}
        assert sn["nonfinite"] == {"mean": "nan"}
        assert http.get(f"{query}&format=csv").text.splitlines()[1] == "sn,4,1,3,3,nan"


def lines(http: httpx2.Client, query: str) -> list[dict[str, Any]]:
    return pq.read_table(io.BytesIO(http.get(f"{query}&format=parquet").content)).to_pylist()


def test_as_a_table(http: httpx2.Client) -> None:
    found = lines(http, "/groups?method=sn&by=setting,method")
    assert [line["setting"] for line in found] == ["A_64-128", "B_64-64", "C_32-32"]
    assert {line["n"] for line in found} == {2}
    assert {line["ci95_low"] for line in found} == {None}
    assert lines(http, "/groups?profile=paper") == []


def test_what_is_chosen(http: httpx2.Client) -> None:
    items = http.get("/groups?by=status&score=iteration&agg=min,median,max,n").json()["items"]
    running = {item["by"]["status"]: item for item in items}["running"]
    assert (running["trials"], running["values"]["n"], running["values"]["min"]) == (1, 0, None)
    modes = http.get("/groups?by=method&score=modes&setting=C_32-32&seed=0").json()
    assert modes["score"] == "best_modes"
    assert {item["values"]["n"] for item in modes["items"]} >= {1}
    below = http.get("/groups?by=method&agg=max&fd_digits_lt=500").json()["items"]
    assert all(item["values"]["max"] < 500 for item in below if item["values"]["max"])


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("by=methods", "unknown column to group by 'methods'; did you mean: method"),
        ("by=config", "unknown column to group by 'config'"),
        ("agg=average", "unknown aggregate 'average'"),
        ("score=status", "unknown score 'status'"),
        ("score=fd_digit", "did you mean: fd_digits"),
        ("cursor=x", "unknown query parameter 'cursor'"),
    ],
)
def test_bad_questions(http: httpx2.Client, query: str, says: str) -> None:
    response = http.get(f"/groups?{query}")
    assert response.status_code == 422
    assert says in response.json()["detail"]


def test_distances_are_not_mixed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for profile, dataset, seed in (("digits", "digits8", 0), ("paper", "cifar10", 1)):
        who = identity("A_64-128", "sn", seed) | {"profile": profile, "dataset": dataset}
        write_trial(store, who)
    with serving(tmp_path) as http:
        refused = http.get("/groups?by=method")
        assert refused.status_code == 422
        assert "judged by fd_digits and fid" in refused.json()["detail"]
        assert http.get("/groups?by=method&profile=paper").json()["score"] == "best_fid"
