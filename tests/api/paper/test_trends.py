"""Figs. 8 and 12 over HTTP."""

from __future__ import annotations

from pathlib import Path

import httpx2

from sweep.store.store import Store
from tests.api.servers import serving
from tests.api.stores import identity, write_trial


def test_fig8(http: httpx2.Client) -> None:
    items = http.get("/fig8?group=C").json()["items"]
    by_method = {item["method"]: item for item in items}
    assert set(by_method) == {"sr-static", "sr-lift"}
    static = by_method["sr-static"]
    assert [(point["i_ratio"], point["n"]) for point in static["points"]] == [
        (0.125, 2), (0.25, 1), (0.5, 2), (0.75, 0),
    ]  # fmt: skip
    assert [seed["status"] for seed in static["points"][3]["seeds"]] == ["failed"]
    assert set(static["beside"]) == {"sn", "sn-renorm"}
    assert (static["text"], static["agrees"]["verdict"]) == (None, "not measured")
    (ratio_trend,) = http.get("/fig8?setting=A_64-128&method=sr-static").json()["items"]
    assert ratio_trend["text"] == "better from 0.25 to 0.5, worse from 0.5 to 1"
    assert ratio_trend["agrees"]["says"] == "no finished trial with i = 0.25, 1"
    csv = http.get("/fig8?group=C&method=sr-static&format=csv").text.splitlines()
    assert csv[0].startswith("profile,setting,method,i_ratio,score,seed,trial_id,status,best,")
    assert len(csv) == 1 + 7


def test_fig12(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for method in ("sn", "sr-static", "sr-dynamic"):
        for seed in (0, 1):
            trial = identity("C_64-32", method, seed)
            write_trial(store, trial)
    with serving(tmp_path) as http:
        (item,) = http.get("/fig12").json()["items"]
        assert (item["setting"], item["text"]) == ("C_64-32", "dynamic")
        assert set(item["methods"]) == {"sn", "sr-static", "sr-dynamic"}
        assert item["agrees"]["sr-dynamic"]["verdict"] in ("holds", "does not hold")
        assert item["agrees"]["sr-dynamic"]["n"] == 2
        assert len(http.get("/fig12?format=csv").text.splitlines()) == 7
        assert http.get("/fig12?group=A").json()["items"] == []
        assert http.get("/fig12?group=A&format=parquet").status_code == 200
