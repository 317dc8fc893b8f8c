"""The JSON routes, over real HTTP."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx2
import pyarrow.parquet as pq
import pytest

from api import models
from sweep.results import SCORE_NAMES, Store

ITEM = {
    "trial_id", "profile", "setting", "group", "setting_batch_size", "setting_channels",
    "batch_size", "channels", "dataset", "method", "form", "i_ratio", "seed", "status",
    "mode_collapse_at", "spectral_collapse_at", "dead_at", "diverged_at", "iteration",
    "iterations", "best", "final", "protocol", "started_at", "updated_at",
}  # fmt: skip


def items(http: httpx2.Client, **query: Any) -> list[dict[str, Any]]:
    response = http.get("/results", params={"limit": 1000, **query})
    assert response.status_code == 200, response.text
    return response.json()["items"]


def test_results_of_a_setting(http: httpx2.Client) -> None:
    body = http.get("/results?setting=B_64-64").json()
    assert set(body) == {"items", "next_cursor", "snapshot"}
    assert {item["setting"] for item in body["items"]} == {"B_64-64"}
    assert len(body["items"]) == 8
    assert set(body["items"][0]) >= ITEM
    first = body["items"][0]
    assert (first["setting_channels"], first["channels"]) == (64, 32)
    assert first["best"]["fd_digits"] < first["best"]["iteration"]
    assert first["protocol"]["extractor"] == "digits classifier"


def test_scores_are_those_of_the_store() -> None:
    assert set(models.Scores.model_fields) - {"nonfinite"} == set(SCORE_NAMES)


@pytest.mark.parametrize(
    ("query", "n"),
    [
        ({}, 30),
        ({"setting": ["C_32-32", "B_*"]}, 22),
        ({"setting": "C_32-32", "method": "sn"}, 2),
        ({"group": "A"}, 8),
        ({"seed": 1}, 15),
        ({"seed": [0, 1], "status": "planned"}, 1),
        ({"sweep": "fig8"}, 7),
        ({"sweep": "fig8", "status": ["running", "failed"]}, 2),
        ({"profile": "digits", "status": "collapsed"}, 4),
        ({"profile": "paper"}, 0),
    ],
)
def test_filters(http: httpx2.Client, query: dict[str, Any], n: int) -> None:
    assert len(items(http, **query)) == n


def test_planned_trials_are_listed(http: httpx2.Client) -> None:
    (planned,) = items(http, status="planned")
    assert planned["i_ratio"] == 0.75
    assert planned["iterations"] == 1500
    assert planned["best"] is None
    assert planned["iteration"] is None


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("setting=B_64-65", "unknown setting 'B_64-65'; did you mean: B_64-64"),
        ("method=sr", "did you mean: sn, sr-lift"),
        ("profile=digit", "did you mean: digits"),
        ("status=done", "unknown status 'done'"),
        ("sweep=fig", "did you mean: fig8"),
        ("group=F", "unknown group 'F'"),
        ("settings=B_64-64", "unknown query parameter 'settings'; did you mean: setting"),
        ("limit=0", "limit: Input should be greater than or equal to 1 (got '0')"),
        ("limit=1001", "less than or equal to 1000"),
        ("seed=x", "valid integer"),
        ("cursor=zzz", "malformed cursor 'zzz'"),
        ("cursor=WzFd", "malformed cursor"),
        ("cursor=", "malformed cursor"),
    ],
)
def test_bad_queries(http: httpx2.Client, query: str, says: str) -> None:
    response = http.get(f"/results?{query}")
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert says in response.json()["detail"]


def test_paging_while_the_store_grows(tmp_path: Path, kit: ModuleType) -> None:
    store = Store(tmp_path)
    trials = [kit.identity("C_32-32", "sn", seed) for seed in range(6)]
    for who in trials[:5]:
        kit.write_trial(store, who)
    with kit.serving(tmp_path) as http:
        seen, url, pages = [], "/results?limit=2&setting=C_*", 0
        while url:
            response = http.get(url)
            body = response.json()
            seen += [item["trial_id"] for item in body["items"]]
            assert (body["next_cursor"] is None) == ("next" not in response.links)
            url = response.links.get("next", {}).get("url")
            pages += 1
            if pages == 1:
                kit.write_trial(store, trials[5])
                kit.write_trial(store, kit.identity("C_16-32", "sn", 0))
                kit.wait_for(lambda: len(http.get("/results").json()["items"]) == 7)
    # What sorts before the cursor is not shown any more; nothing is shown twice or left out.
    assert seen == sorted(who["trial_id"] for who in trials)


def test_csv_and_parquet(http: httpx2.Client) -> None:
    names = [item["trial_id"] for item in items(http, sweep="fig8")]
    csv = http.get("/results?sweep=fig8", headers={"Accept": "text/csv"})
    assert csv.headers["content-type"].startswith("text/csv")
    lines = csv.text.splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == names
    response = http.get("/results?sweep=fig8&format=parquet")
    assert response.headers["content-type"] == "application/vnd.apache.parquet"
    table = pq.read_table(io.BytesIO(response.content))
    assert table.column("trial_id").to_pylist() == names
    assert table.column("best_fd_digits").null_count == 1
    assert b"G updates done" in (table.schema.field("iteration").metadata or {})[b"says"]


def test_a_trial(http: httpx2.Client) -> None:
    (failed,) = items(http, status="failed")
    trial = http.get(f"/trials/{failed['trial_id']}").json()
    assert trial["traceback"].endswith("out of memory")
    assert trial["config"]["n_critic"] == 1
    assert trial["thresholds"]["patience"] == 3
    assert trial["software"]["torch"] == "2.15"
    assert trial["sweeps"] == ["fig8"]
    assert set(failed) <= set(trial)


def test_nan_end_to_end(http: httpx2.Client, filled: Path) -> None:
    (sn, *_) = items(http, setting="C_32-32", method="sn")
    stored = Store(filled).read_rows("evaluations", sn["trial_id"])
    assert math.isnan(stored[0]["d_loss"])
    response = http.get(f"/trials/{sn['trial_id']}/evaluations")
    rows = json.loads(response.text, parse_constant=lambda name: pytest.fail(name))["items"]
    assert len(rows) == len(stored)
    assert rows[0]["d_loss"] is None
    assert rows[0]["nonfinite"] == {"d_loss": "nan", "g_loss": "nan", "reverse_kl": "nan"}
    assert rows[1]["d_loss"] == stored[1]["d_loss"]
    assert rows[1]["nonfinite"] == {}
    csv = http.get(f"/trials/{sn['trial_id']}/evaluations?format=csv").text.splitlines()
    assert csv[1].split(",")[csv[0].split(",").index("d_loss")] == "nan"


def test_infinity_is_told_apart(tmp_path: Path, kit: ModuleType) -> None:
    store, who = Store(tmp_path), kit.identity("C_32-32", "sn", 0)
    kit.write_trial(store, who)
    rows = store.read_rows("evaluations", who["trial_id"])
    rows[3] |= {"gap": -math.inf, "d_loss": math.inf, "sigma1": [math.nan] + [1.0] * 9}
    store.write_rows("evaluations", who["trial_id"], rows)
    (row,) = store.read_rows("trials", who["trial_id"])
    store.write_rows("trials", who["trial_id"], [row | {"final_fd_digits": math.nan}])
    with kit.serving(tmp_path) as http:
        shown = http.get(f"/trials/{who['trial_id']}/evaluations").json()["items"][3]
        assert (shown["gap"], shown["d_loss"]) == (None, None)
        assert shown["nonfinite"] == {"gap": "-inf", "d_loss": "inf"}
        assert shown["sigma1"] == [None] + [1.0] * 9
        final = http.get(f"/trials/{who['trial_id']}").json()["final"]
        assert final["fd_digits"] is None
        assert final["nonfinite"]["fd_digits"] == "nan"
        for address in ("/table2", "/", "/paper", f"/figures/trials/{who['trial_id']}/curves"):
            assert http.get(address).status_code == 200


def test_spectra(http: httpx2.Client) -> None:
    (sn, *_) = items(http, setting="C_32-32", method="sn")
    address = f"/trials/{sn['trial_id']}/spectra"
    one = http.get(address, params={"layer": 3}).json()["items"]
    assert {row["layer"] for row in one} == {3}
    assert [row["iteration"] for row in one] == sorted(row["iteration"] for row in one)
    assert one[0]["singular_values"][0] == 1.0
    assert len(http.get(address).json()["items"]) == 10 * len(one)
    assert http.get(address, params={"layer": 10}).status_code == 422


def test_samples(http: httpx2.Client) -> None:
    (sn, *_) = items(http, setting="C_32-32", method="sn")
    listed = http.get(f"/trials/{sn['trial_id']}/samples").json()["items"]
    assert [sample["iteration"] for sample in listed] == [0, 300, 600, 900]
    image = http.get(listed[1]["url"])
    assert image.headers["content-type"] == "image/png"
    assert image.content.startswith(b"\x89PNG")
    tagged = http.get(listed[1]["url"], headers={"If-None-Match": image.headers["etag"]})
    assert tagged.status_code == 304
    assert http.get(f"/trials/{sn['trial_id']}/samples/7").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/trials/nothing",
        "/trials/nothing/evaluations",
        "/trials/nothing/spectra",
        "/trials/nothing/samples",
        "/trials/nothing/samples/0",
        "/sweeps/nothing",
        "/trials/..%2f..%2fetc%2fpasswd",
        "/trials/%2e%2e%2f%2e%2e%2fetc/samples/0",
        "/sweeps/..%2fdemo",
        "/static/..%2f..%2fapp.py",
        "/nothing",
    ],
)
def test_what_is_not_there(http: httpx2.Client, path: str) -> None:
    response = http.get(path)
    assert response.status_code == 404
    problem = response.json()
    assert {"type", "title", "status", "detail", "instance", "request_id"} <= set(problem)
    assert problem["request_id"] == response.headers["x-request-id"]


@pytest.mark.parametrize(
    "path",
    ["/results?group=C", "/sweeps", "/sweeps/demo", "/table2", "/trials/{id}", "/paper",
     "/trials/{id}/evaluations", "/trials/{id}/spectra?layer=1", "/trials/{id}/samples",
     "/figures/seeds", "/figures/trials/{id}/spectra"],
)  # fmt: skip
def test_etags(http: httpx2.Client, path: str) -> None:
    path = path.format(id=items(http, status="collapsed")[0]["trial_id"])
    first = http.get(path)
    assert first.status_code == 200
    again = http.get(path, headers={"If-None-Match": f'"other", {first.headers["etag"]}'})
    assert again.status_code == 304
    assert again.content == b""
    assert again.headers["etag"] == first.headers["etag"]
    assert http.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_an_etag_is_of_query_and_media_type(http: httpx2.Client) -> None:
    addresses = ["/results", "/results?limit=3", "/results?format=csv", "/results?format=parquet"]
    tags = {http.get(address).headers["etag"] for address in addresses}
    tags.add(http.get("/results", headers={"Accept": "text/csv"}).headers["etag"])
    assert len(tags) == 5


def test_table2(http: httpx2.Client) -> None:
    body = http.get("/table2").json()
    rows = {row["setting"]: row for row in body["items"]}
    assert len(rows) == 26
    assert rows["B_64-64"]["published"] == {
        "sn_is": 6.96, "sn_is_sd": 0.11, "sr_is": 7.52, "sr_is_sd": 0.11, "sn_fid": 36.65,
        "sn_fid_sd": 0.29, "sr_fid": 28.4, "sr_fid_sd": 0.36, "mode_collapse": True,
        "spectral_collapse": True,
    }  # fmt: skip
    assert rows["A_16-128"]["measured"] == {}
    sn = rows["C_32-32"]["measured"]["digits"]["sn"]
    assert (sn["n"], sn["score"], sn["comparable"]) == (2, "fd_digits", False)
    assert [seed["mode_collapse_at"] for seed in sn["seeds"]] == [375, 375]
    assert sn["mean"] == pytest.approx(sum(seed["best"] for seed in sn["seeds"]) / 2)
    pair = rows["C_32-32"]["pairs"]["digits"]["sr-static"]
    assert (pair["n"], pair["interval"]) == (2, None)
    assert pair["mean"] < 0
    csv = http.get("/table2?format=csv").text.splitlines()
    assert len(csv) == 1 + 23 + 3 * 4


def test_the_description(http: httpx2.Client) -> None:
    paths = http.get("/openapi.json").json()["paths"]
    for path, operations in paths.items():
        content = operations["get"]["responses"]["200"]["content"]
        schema = content.get("application/json", {}).get("schema", {})
        assert "$ref" in schema or "image/png" in content, path
