"""Which trials `/results` gives: filters, ranges, fields."""

from __future__ import annotations

import io
import json
from typing import Any

import httpx2
import pyarrow.parquet as pq
import pytest

from tests.api.servers import result_items


@pytest.mark.parametrize(
    ("query", "n"),
    [
        ({"dataset": "digits8"}, 30),
        ({"dataset": "cifar10"}, 0),
        ({"form": "project"}, 24),
        ({"i_ratio": [0.125, 0.75]}, 4),
        ({"setting_channels": 128}, 8),
        ({"channels": [16, 32], "seed": 0}, 11),
        ({"batch_size": 24, "method": "sn"}, 2),
        ({"setting_batch_size": 64, "collapsed": "true"}, 0),
        ({"collapsed": "true"}, 4),
        ({"collapsed": "false", "setting": "C_32-32"}, 10),
        ({"spectrally_collapsed": "true", "collapsed": "true"}, 2),
        ({"parent": "nobody"}, 0),
        ({"host": "worker-1"}, 29),
        ({"iteration_gt": 600, "iteration_lt": 1500}, 4),
        ({"seconds_lt": 0}, 0),
    ],
)
def test_filters(http: httpx2.Client, query: dict[str, Any], n: int) -> None:
    assert len(result_items(http, **query)) == n


def test_a_score_without_a_prefix_is_the_best_one(http: httpx2.Client) -> None:
    every = result_items(http)
    below = result_items(http, fd_digits_lt=500)
    assert below == [t for t in every if t["best"] and t["best"]["fd_digits"] < 500]
    assert 0 < len(below) < len(every)
    assert below == result_items(http, best_fd_digits_lt=500)
    final = result_items(http, final_modes_gt=400, final_modes_lt=600)
    assert final == [t for t in every if t["final"] and 400 < t["final"]["modes"] < 600]
    assert result_items(http, fid_lt="inf") == []


def test_fields(http: httpx2.Client) -> None:
    query = {"fields": "setting,fid,fd_digits", "status": "completed", "limit": 3}
    body = http.get("/results", params=query).json()
    names = ["trial_id", "setting", "best_fid", "best_fd_digits", "nonfinite"]
    assert [list(item) for item in body["items"]] == [names] * 3
    assert body["next_cursor"]
    repeated = {"fields": ["config", "verdict_rules"], "method": "sn", "status": "collapsed"}
    first = http.get("/results", params=repeated).json()["items"][0]
    assert first["config"]["n_critic"] == 1
    assert "mode_collapse" in first["verdict_rules"]
    content = http.get("/results", params=query | {"format": "parquet"}).content
    assert pq.read_table(io.BytesIO(content)).column_names == names[:-1]
    csv = http.get("/results", params=query | {"format": "csv"}).text
    assert csv.splitlines()[0] == "trial_id,setting,best_fid,best_fd_digits"


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("sort=best_fd", "unknown sort column 'best_fd'; did you mean: best_fid, "),
        ("sort=--seed", "unknown sort column '-seed'; did you mean: seed"),
        ("fields=setting,modus", "unknown field 'modus'; did you mean: modes"),
        ("fdi_lt=3", "unknown query parameter 'fdi_lt'; did you mean: fid_lt"),
        ("status_lt=3", "unknown query parameter 'status_lt'"),
        ("fid_lt=few", "fid_lt is a number, not 'few'"),
        ("fid_lt=nan", "fid_lt is a number, not 'nan'"),
        ("fid_lt=", "fid_lt is a number, not ''"),
        ("dataset=cifar", "unknown dataset 'cifar'; did you mean: cifar10"),
        ("form=projected", "did you mean: project"),
        ("collapsed=perhaps", "valid boolean"),
        ("i_ratio=half", "valid number"),
        ("limit=99999999999999999999", "less than or equal to 1000"),
    ],
)
def test_bad_queries(http: httpx2.Client, query: str, says: str) -> None:
    response = http.get(f"/results?{query}")
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert says in response.json()["detail"]


def test_healthy_is_true_where_all_was_judged_and_false_where_a_collapse_was_seen(
    http: httpx2.Client,
) -> None:
    for flag in ("true", "false"):
        items = http.get(f"/results?healthy={flag}&limit=100").json()["items"]
        assert items
        assert {json.dumps(item["healthy"]) for item in items} == {flag}
        seen = {item["mode_collapse_at"] is not None for item in items}
        assert seen == {flag == "false"}
