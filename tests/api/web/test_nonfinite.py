"""NaN and infinity from the store to JSON and CSV."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import duckdb
import httpx2
import pyarrow as pa
import pytest

from sweep.store.store import Store
from tests.api.servers import result_items, serving
from tests.api.stores import identity, write_plan, write_trial


def test_nan_end_to_end(http: httpx2.Client, filled: Path) -> None:
    (sn, *_) = result_items(http, setting="C_32-32", method="sn")
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


def test_infinity_is_told_apart(tmp_path: Path) -> None:
    store, who = Store(tmp_path), identity("C_32-32", "sn", 0)
    write_trial(store, who)
    rows = store.read_rows("evaluations", who["trial_id"])
    rows[3] |= {"gap": -math.inf, "d_loss": math.inf, "sigma1": [math.nan] + [1.0] * 9}
    store.write_rows("evaluations", who["trial_id"], rows)
    (row,) = store.read_rows("trials", who["trial_id"])
    store.write_rows("trials", who["trial_id"], [row | {"final_fd_digits": math.nan}])
    with serving(tmp_path) as http:
        shown = http.get(f"/trials/{who['trial_id']}/evaluations").json()["items"][3]
        assert (shown["gap"], shown["d_loss"]) == (None, None)
        assert shown["nonfinite"] == {"gap": "-inf", "d_loss": "inf"}
        assert shown["sigma1"] == [None] + [1.0] * 9
        final = http.get(f"/trials/{who['trial_id']}").json()["final"]
        assert final["fd_digits"] is None
        assert final["nonfinite"]["fd_digits"] == "nan"
        file = tmp_path / "results.parquet"
        file.write_bytes(http.get("/results?format=parquet").content)
        query = f"SELECT trial_id FROM '{file}' WHERE isnan(final_fd_digits)"
        assert duckdb.execute(query).fetchall() == [(who["trial_id"],)]
        for address in ("/table2", "/", "/paper", f"/figures/trials/{who['trial_id']}/curves"):
            assert http.get(address).status_code == 200


def test_a_file_has_what_is_not_finite(tmp_path: Path) -> None:
    store = Store(tmp_path)
    trials = [identity("C_32-32", "sr-static", seed) for seed in range(3)]
    for who in trials:
        write_trial(store, who)
    first = trials[0]["trial_id"]
    (row,) = store.read_rows("trials", first)
    store.write_rows("trials", first, [row | {"best_fd_digits": math.inf}])
    write_plan(store, "few", trials)

    def rows(address: str) -> list[dict[str, Any]]:
        content = http.get(address, params={"format": "arrow"}).content
        return pa.ipc.open_stream(content).read_all().to_pylist()

    with serving(tmp_path) as http:
        (group,) = rows("/groups")
        assert group["mean"] == math.inf
        assert math.isnan(group["ci95_low"])
        assert math.isnan(group["ci95_high"])
        (measured,) = (row for row in rows("/table2") if row["mean"] is not None)
        assert measured["mean"] == math.inf
        assert measured["best"][0] == math.inf
        assert rows("/sweeps/few/matrix")[0]["best"] == math.inf
        assert rows("/fig8")[0]["best"] == math.inf
