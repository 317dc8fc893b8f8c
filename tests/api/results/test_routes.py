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
from pydantic import BaseModel

from api.trials import models, series
from sweep.store.schemas import SCHEMAS, SCORE_NAMES
from sweep.store.store import Store

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
    ("table", "model"),
    [
        ("evaluations", series.Evaluation),
        ("outputs", series.Histogram),
        ("spectra", series.Spectrum),
    ],
)
def test_a_row_is_that_of_the_store(table: str, model: type[BaseModel]) -> None:
    assert set(model.model_fields) - {"nonfinite", "indices"} == set(SCHEMAS[table].names) - {
        "trial_id"
    }


def test_a_trial_has_every_column_of_the_store() -> None:
    prefixed = {f"{when}_{name}" for when in ("best", "final") for name in SCORE_NAMES}
    prefixed |= {"best_iteration", "final_iteration"}
    assert set(models.TrialDetail.model_fields) >= set(SCHEMAS["trials"].names) - prefixed


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


def test_settings_outside_table_i_are_shown_with_nothing_published(
    tmp_path: Path, kit: ModuleType
) -> None:
    store = Store(tmp_path)
    kit.write_trial(store, kit.identity("C_32-32", "sr-static", 0))
    other = kit.identity("C_32-32", "sr-static", 1) | {
        "trial_id": "digits.U_16-256.sr-static.0.5.s1-00000000",
        "setting": "U_16-256",
        "group": "U",
    }
    kit.write_trial(store, other)
    kit.write_plan(store, "search", [other])
    with kit.serving(tmp_path) as http:
        for query in ({"setting": "U_16-256"}, {"setting": "U_*"}, {"group": "U"}):
            assert [i["trial_id"] for i in items(http, **query)] == [other["trial_id"]]
        assert http.get(f"/trials/{other['trial_id']}").json()["group"] == "U"
        rows = http.get("/table2").json()["items"]
        assert {r["setting"] for r in rows if r["measured"]} == {"C_32-32"}
        for page in ("/", "/view/sweeps/search", f"/view/trials/{other['trial_id']}"):
            assert "U_16-256" in http.get(page, headers={"Accept": "text/html"}).text
        assert "C_32-32" in paper(http)
        assert "U_16-256" not in paper(http)


def paper(http: httpx2.Client) -> str:
    return http.get("/paper", headers={"Accept": "text/html"}).text


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
        ("method=sr", "unknown method 'sr'; did you mean: sn, "),
        ("profile=digit", "did you mean: digits"),
        ("status=done", "unknown status 'done'"),
        ("sweep=fig", "did you mean: fig8"),
        ("group=F", "unknown group 'F'"),
        ("settings=B_64-64", "unknown query parameter 'settings'; did you mean: setting"),
        ("limit=0", "limit: Input should be greater than or equal to 1 (got '0')"),
        ("limit=1001", "less than or equal to 1000"),
        ("seed=x", "valid integer"),
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
    unmeasured = ("d_loss", "g_loss", "images_per_second", "reverse_kl")
    assert rows[0]["nonfinite"] == dict.fromkeys(unmeasured, "nan")
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
    refused = http.get(address, params={"layer": 10})
    assert refused.status_code == 422
    assert f"there is no layer 10: {sn['trial_id']} has layers 0 to 9" in refused.json()["detail"]
    assert http.get(address, params={"layer": -1}).status_code == 422


def test_stable_ranks_come_when_asked_for(http: httpx2.Client) -> None:
    (sn, *_) = items(http, setting="C_32-32", method="sn")
    address = f"/trials/{sn['trial_id']}/spectra?layer=3"
    assert {row["stable_ranks"] for row in http.get(address).json()["items"]} == {None}
    asked = http.get(f"{address}&stable_ranks=true").json()["items"]
    assert [len(row["stable_ranks"]) for row in asked] == [0] + [75] * (len(asked) - 1)
    assert asked[1]["stable_ranks"][0] == 8.0
    table = pq.read_table(io.BytesIO(http.get(f"{address}&format=parquet").content))
    assert len(table.column("stable_ranks")[1]) == 75


def test_outputs(http: httpx2.Client, filled: Path) -> None:
    (sn, *_) = items(http, setting="C_32-32", method="sn")
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


def test_the_etag_of_outputs_follows_their_file(tmp_path: Path, kit: ModuleType) -> None:
    store, who = Store(tmp_path), kit.identity("C_32-32", "sn", 0)
    kit.write_trial(store, who)
    address = f"/trials/{who['trial_id']}/outputs?iteration=75&images=test&quantity=d"
    with kit.serving(tmp_path) as http:
        first = http.get(address)
        rows = store.read_rows("outputs", who["trial_id"])
        changed = [row | {"not_finite": 3, "low": -math.inf} for row in rows]
        store.write_rows("outputs", who["trial_id"], changed)
        again = http.get(address, headers={"If-None-Match": first.headers["etag"]})
        assert again.status_code == 200
        (row,) = again.json()["items"]
        assert (row["not_finite"], row["low"], row["nonfinite"]) == (3, None, {"low": "-inf"})


def test_what_an_older_version_wrote_is_served(tmp_path: Path, kit: ModuleType) -> None:
    """Before there were outputs, stable ranks and more scores."""
    store, who = Store(tmp_path), kit.identity("C_32-32", "sn", 0)
    kit.write_trial(store, who)
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
    with kit.serving(tmp_path) as http:
        trial = http.get(f"/trials/{trial_id}").json()
        assert (trial["precision"], trial["best"]["kid_mean"]) == (None, None)
        assert trial["best"]["fd_digits"] is not None
        row = http.get(f"/trials/{trial_id}/evaluations").json()["items"][1]
        assert [row[name] for name in added["evaluations"]] == [None] * 5
        spectra = http.get(f"/trials/{trial_id}/spectra?layer=1&stable_ranks=true").json()["items"]
        assert {r["stable_ranks"] for r in spectra} == {None}
        assert http.get(f"/trials/{trial_id}/outputs").json()["items"] == []
        assert http.get(f"/view/trials/{trial_id}").status_code == 200


def test_hessians_and_a_branch(tmp_path: Path, kit: ModuleType) -> None:
    store = Store(tmp_path)
    who = kit.identity("C_32-32", "nugan", 0)
    who |= {"parent": "digits.C_32-32.sn.-.s0-00000000", "parent_iteration": 600}
    kit.write_trial(store, who)
    rows = store.read_rows("evaluations", who["trial_id"])
    rows[2] |= {"g_hessian": [3.5, math.inf], "gpu_memory": 2**33, "d_penalty_ratio": math.nan}
    store.write_rows("evaluations", who["trial_id"], rows)
    with kit.serving(tmp_path) as http:
        shown = http.get(f"/trials/{who['trial_id']}/evaluations").json()["items"][2]
        assert (shown["g_hessian"], shown["d_hessian"]) == ([3.5, None], None)
        assert (shown["gpu_memory"], shown["d_penalty_ratio"]) == (2**33, None)
        assert shown["nonfinite"]["d_penalty_ratio"] == "nan"
        trial = http.get(f"/trials/{who['trial_id']}").json()
        assert (trial["parent"], trial["parent_iteration"]) == (who["parent"], 600)


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
        "/trials/nothing/outputs",
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
     "/trials/{id}/outputs?images=test",
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
    latex = http.get("/table2?format=latex")
    assert latex.headers["content-type"].startswith("text/plain")
    assert r"\toprule" in latex.text
    assert http.get("/table2?format=markdown").text.count("| setting |") == 1
    refused = http.get("/table2?format=word")
    assert refused.status_code == 406
    csv = http.get("/table2?format=csv").text.splitlines()
    assert len(csv) == 1 + 23 + 3 * 4


def test_the_description(http: httpx2.Client) -> None:
    paths = http.get("/openapi.json").json()["paths"]
    for path, operations in paths.items():
        if "get" not in operations:
            continue
        content = operations["get"]["responses"]["200"]["content"]
        schema = content.get("application/json", {}).get("schema", {})
        other = content.keys() & {"image/png", "text/plain", "text/event-stream"}
        assert "$ref" in json.dumps(schema) or other, path
