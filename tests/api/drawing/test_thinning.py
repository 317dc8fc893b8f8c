"""Parts of curves and spectra."""

from __future__ import annotations

import math
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx2
import pytest

from api.drawing import thinning
from sweep.store.store import Store


def collapsed(http: httpx2.Client) -> str:
    return http.get("/results?method=sn&status=collapsed").json()["items"][0]["trial_id"]


def rows_of(*values: float | None) -> list[dict[str, Any]]:
    return [{"iteration": 10 * k, "gap": value} for k, value in enumerate(values)]


def test_peaks_stay() -> None:
    rows = rows_of(1, 9, 2, -5, None, math.nan, 3, math.inf)
    first, second = thinning.buckets(rows, ["gap"], 2)
    assert (first.from_iteration, first.to_iteration, first.n) == (0, 30, 4)
    assert first.values["gap"].model_dump() == {"min": -5, "max": 9, "last": -5, "not_finite": 0}
    assert second.values["gap"].model_dump() == {"min": 3, "max": 3, "last": 3, "not_finite": 2}


@pytest.mark.parametrize("n", [1, 2, 7, 100])
@pytest.mark.parametrize("points", [1, 3, 50, 1000])
def test_every_row_is_in_one_bucket(n: int, points: int) -> None:
    parts = thinning.buckets(rows_of(*map(float, range(n))), ["gap"], points)
    assert len(parts) <= min(n, points)
    assert sum(part.n for part in parts) == n
    assert parts[0].from_iteration == 0
    assert parts[-1].to_iteration == 10 * (n - 1)


def test_an_empty_curve_has_no_bucket() -> None:
    assert thinning.buckets([], ["gap"], 5) == []


def test_indices_have_both_ends() -> None:
    assert thinning.indices(5, 8) == [0, 1, 2, 3, 4]
    assert thinning.indices(512, 3) == [0, 256, 511]
    spread = thinning.indices(512, 128)
    assert (spread[0], spread[-1], len(set(spread))) == (0, 511, 128)


def test_keys_over_http(http: httpx2.Client) -> None:
    address = f"/trials/{collapsed(http)}/evaluations"
    items = http.get(f"{address}?keys=gap,reverse_kl&keys=sigma1").json()["items"]
    assert list(items[0]) == ["iteration", "gap", "reverse_kl", "sigma1", "nonfinite"]
    assert items[0]["nonfinite"] == {"reverse_kl": "nan"}
    assert len(items) == 13
    csv = http.get(f"{address}?keys=gap&format=csv").text.splitlines()
    assert csv[0] == "iteration,gap"
    parts = http.get(f"{address}?keys=gap&max_points=4").json()["buckets"]
    assert [part["n"] for part in parts] == [4, 3, 3, 3]
    gaps = [item["gap"] for item in items]
    assert [part["values"]["gap"]["min"] for part in parts] == [
        min(gaps[:4]), min(gaps[4:7]), min(gaps[7:10]), min(gaps[10:]),
    ]  # fmt: skip
    every = http.get(f"{address}?max_points=1").json()["buckets"][0]["values"]
    assert every["reverse_kl"]["not_finite"] == 1
    head = http.get(f"{address}?keys=gap&max_points=4&format=csv").text.splitlines()
    assert head[0] == "from_iteration,to_iteration,n,gap_min,gap_max,gap_last,gap_not_finite"
    assert len(head) == 5


def test_parts_of_spectra(http: httpx2.Client) -> None:
    address = f"/trials/{collapsed(http)}/spectra?layer=3"
    whole = http.get(f"{address}&iterations=75,900").json()["items"]
    assert [row["iteration"] for row in whole] == [75, 900]
    assert (len(whole[0]["singular_values"]), whole[0]["indices"]) == (16, None)
    part = http.get(f"{address}&iterations=75&iterations=900&points=4").json()["items"]
    assert part[1]["indices"] == [0, 5, 10, 15]
    assert part[1]["singular_values"] == [whole[1]["singular_values"][k] for k in (0, 5, 10, 15)]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("evaluations?keys=gab", "unknown key 'gab'; did you mean: gap"),
        ("evaluations?keys=trial_id", "unknown key 'trial_id'"),
        ("evaluations?keys=sigma1&max_points=3", "unknown key 'sigma1'"),
        ("evaluations?max_points=0", "greater than or equal to 1"),
        ("evaluations?max_points=1000000", "less than or equal to 10000"),
        ("spectra?iterations=76", "has nothing at iteration 76; the nearest is 75"),
        ("spectra?iterations=-1", "iterations are whole numbers, not '-1'"),
        ("spectra?iterations=1e3", "not '1e3'"),
        ("spectra?iterations=" + "9" * 5000, "iterations are whole numbers"),
        ("spectra?points=1", "greater than or equal to 2"),
    ],
)
def test_bad_parts(http: httpx2.Client, query: str, says: str) -> None:
    response = http.get(f"/trials/{collapsed(http)}/{query}")
    assert response.status_code == 422
    assert says in response.json()["detail"]


def test_a_trial_without_a_curve(tmp_path: Path, kit: ModuleType) -> None:
    who = kit.identity("C_32-32", "sn", 0)
    kit.write_plan(Store(tmp_path), "s", [who])
    with kit.serving(tmp_path) as http:
        address = f"/trials/{who['trial_id']}"
        assert http.get(f"{address}/evaluations?max_points=3").json()["buckets"] == []
        for query in ("evaluations?max_points=3", "evaluations?keys=gap", "spectra?iterations=5"):
            assert http.get(f"{address}/{query}").status_code == 200
            assert http.get(f"{address}/{query}&format=csv").status_code == 200
        verdict = http.get(address).json()["verdict"]
        assert verdict == {"sentence": "Not started.", "healthy": None, "signals": []}
