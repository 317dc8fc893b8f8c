"""A trial and its series as JSON, CSV and Parquet, whole and in part."""

from __future__ import annotations

import io
import math
from pathlib import Path

import httpx2
import pyarrow.parquet as pq
import pytest

from sweep.store.store import Store
from tests.api.servers import collapsed_trial, result_items, serving
from tests.api.stores import identity, write_plan, write_trial


def test_a_trial(http: httpx2.Client) -> None:
    (failed,) = result_items(http, status="failed")
    trial = http.get(f"/trials/{failed['trial_id']}").json()
    assert trial["traceback"].endswith("out of memory")
    assert trial["config"]["n_critic"] == 1
    assert trial["thresholds"]["patience"] == 3
    assert trial["software"]["torch"] == "2.15"
    assert trial["sweeps"] == ["fig8"]
    assert set(failed) <= set(trial)


def test_spectra(http: httpx2.Client) -> None:
    (sn, *_) = result_items(http, setting="C_32-32", method="sn")
    address = f"/trials/{sn['trial_id']}/spectra"
    one = http.get(address, params={"layer": 3}).json()["items"]
    assert {row["layer"] for row in one} == {3}
    assert [row["iteration"] for row in one] == sorted(row["iteration"] for row in one)
    assert one[0]["singular_values"][0] == 1.0
    assert len(http.get(address).json()["items"]) == 10 * len(one)
    refused = http.get(address, params={"layer": 10})
    assert refused.status_code == 422
    assert f"there is no layer 10: {sn['trial_id']} has layers 0 to 9" in refused.json()["detail"]
    assert http.get(address, params={"layer": -1}).status_code == 422


def test_stable_ranks_come_when_asked_for(http: httpx2.Client) -> None:
    (sn, *_) = result_items(http, setting="C_32-32", method="sn")
    address = f"/trials/{sn['trial_id']}/spectra?layer=3"
    assert {row["stable_ranks"] for row in http.get(address).json()["items"]} == {None}
    asked = http.get(f"{address}&stable_ranks=true").json()["items"]
    assert [len(row["stable_ranks"]) for row in asked] == [0] + [75] * (len(asked) - 1)
    assert asked[1]["stable_ranks"][0] == 8.0
    table = pq.read_table(io.BytesIO(http.get(f"{address}&format=parquet").content))
    assert len(table.column("stable_ranks")[1]) == 75


def test_outputs(http: httpx2.Client, filled: Path) -> None:
    (sn, *_) = result_items(http, setting="C_32-32", method="sn")
    address = f"/trials/{sn['trial_id']}/outputs"
    stored = Store(filled).read_rows("outputs", sn["trial_id"])
    shown = http.get(address).json()
    assert shown["trial_id"] == sn["trial_id"]
    assert len(shown["items"]) == len(stored) == 13 * 6
    assert shown["items"][7] == {
        name: value for name, value in stored[7].items() if name != "trial_id"
    } | {"nonfinite": {}}
    one = http.get(f"{address}?images=test&quantity=d_loss&iteration=75").json()["items"]
    assert [(r["images"], r["quantity"], r["iteration"]) for r in one] == [("test", "d_loss", 75)]
    assert len(http.get(f"{address}?images=generated").json()["items"]) == 13 * 2
    assert http.get(f"{address}?iteration=76").json()["items"] == []
    for query in ("images=real", "quantity=loss", "iteration=-1", "image=test"):
        assert http.get(f"{address}?{query}").status_code == 422
    csv = http.get(f"{address}?format=csv&iteration=75").text.splitlines()
    assert len(csv) == 1 + 6


def test_the_etag_of_outputs_follows_their_file(tmp_path: Path) -> None:
    store, who = Store(tmp_path), identity("C_32-32", "sn", 0)
    write_trial(store, who)
    address = f"/trials/{who['trial_id']}/outputs?iteration=75&images=test&quantity=d"
    with serving(tmp_path) as http:
        first = http.get(address)
        rows = store.read_rows("outputs", who["trial_id"])
        changed = [row | {"not_finite": 3, "low": -math.inf} for row in rows]
        store.write_rows("outputs", who["trial_id"], changed)
        again = http.get(address, headers={"If-None-Match": first.headers["etag"]})
        assert again.status_code == 200
        (row,) = again.json()["items"]
        assert (row["not_finite"], row["low"], row["nonfinite"]) == (3, None, {"low": "-inf"})


def test_what_an_older_version_wrote_is_served(tmp_path: Path) -> None:
    """Before there were outputs, stable ranks and more scores."""
    store, who = Store(tmp_path), identity("C_32-32", "sn", 0)
    write_trial(store, who)
    trial_id = who["trial_id"]
    store.delete(f"outputs/{trial_id}.parquet")
    added = {
        "trials": ["precision", "parent", "parent_iteration", "best_kid_mean", "final_recall"],
        "evaluations": ["d_test", "kid_mean", "g_hessian", "images_per_second", "gpu_memory"],
        "spectra": ["stable_ranks"],
    }
    for table, names in added.items():
        current = store.read_table(table, trial_id)
        assert current is not None
        sink = io.BytesIO()
        pq.write_table(current.drop_columns(names), sink)
        store.write(f"{table}/{trial_id}.parquet", sink.getvalue())
    with serving(tmp_path) as http:
        trial = http.get(f"/trials/{trial_id}").json()
        assert (trial["precision"], trial["best"]["kid_mean"]) == (None, None)
        assert trial["best"]["fd_digits"] is not None
        row = http.get(f"/trials/{trial_id}/evaluations").json()["items"][1]
        assert [row[name] for name in added["evaluations"]] == [None] * 5
        spectra = http.get(f"/trials/{trial_id}/spectra?layer=1&stable_ranks=true").json()["items"]
        assert {r["stable_ranks"] for r in spectra} == {None}
        assert http.get(f"/trials/{trial_id}/outputs").json()["items"] == []
        assert http.get(f"/view/trials/{trial_id}").status_code == 200


def test_hessians_and_a_branch(tmp_path: Path) -> None:
    store = Store(tmp_path)
    who = identity("C_32-32", "nugan", 0)
    who |= {"parent": "digits.C_32-32.sn.-.s0-00000000", "parent_iteration": 600}
    write_trial(store, who)
    rows = store.read_rows("evaluations", who["trial_id"])
    rows[2] |= {"g_hessian": [3.5, math.inf], "gpu_memory": 2**33, "d_penalty_ratio": math.nan}
    store.write_rows("evaluations", who["trial_id"], rows)
    with serving(tmp_path) as http:
        shown = http.get(f"/trials/{who['trial_id']}/evaluations").json()["items"][2]
        assert (shown["g_hessian"], shown["d_hessian"]) == ([3.5, None], None)
        assert (shown["gpu_memory"], shown["d_penalty_ratio"]) == (2**33, None)
        assert shown["nonfinite"]["d_penalty_ratio"] == "nan"
        trial = http.get(f"/trials/{who['trial_id']}").json()
        assert (trial["parent"], trial["parent_iteration"]) == (who["parent"], 600)


def test_samples(http: httpx2.Client) -> None:
    (sn, *_) = result_items(http, setting="C_32-32", method="sn")
    listed = http.get(f"/trials/{sn['trial_id']}/samples").json()["items"]
    assert [sample["iteration"] for sample in listed] == [0, 300, 600, 900]
    image = http.get(listed[1]["url"])
    assert image.headers["content-type"] == "image/png"
    assert image.content.startswith(b"\x89PNG")
    tagged = http.get(listed[1]["url"], headers={"If-None-Match": image.headers["etag"]})
    assert tagged.status_code == 304
    assert http.get(f"/trials/{sn['trial_id']}/samples/7").status_code == 404


def test_keys_over_http(http: httpx2.Client) -> None:
    address = f"/trials/{collapsed_trial(http)}/evaluations"
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
    address = f"/trials/{collapsed_trial(http)}/spectra?layer=3"
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
    response = http.get(f"/trials/{collapsed_trial(http)}/{query}")
    assert response.status_code == 422
    assert says in response.json()["detail"]


def test_a_trial_without_a_curve(tmp_path: Path) -> None:
    who = identity("C_32-32", "sn", 0)
    write_plan(Store(tmp_path), "s", [who])
    with serving(tmp_path) as http:
        address = f"/trials/{who['trial_id']}"
        assert http.get(f"{address}/evaluations?max_points=3").json()["buckets"] == []
        for query in ("evaluations?max_points=3", "evaluations?keys=gap", "spectra?iterations=5"):
            assert http.get(f"{address}/{query}").status_code == 200
            assert http.get(f"{address}/{query}&format=csv").status_code == 200
        verdict = http.get(address).json()["verdict"]
        assert verdict == {"sentence": "Not started.", "healthy": None, "signals": []}
