"""Rows behind the figures of trials side by side."""

from __future__ import annotations

import httpx2
import pyarrow as pa
import pyarrow.parquet as pq

from tests.api.compare.odd_trials import query_of


def test_the_rows_behind_a_figure(odd: httpx2.Client, ids: dict[str, str]) -> None:
    two = query_of(ids, "sn", "healthy")
    figure = odd.get("/figures/compare/spectra", params=two | {"layer": "3"}).json()
    rows = odd.get(figure["source"]).json()["items"]
    assert {(row["trial_id"], row["layer"]) for row in rows} == {
        (trial_id, 3) for trial_id in two["t"]
    }
    table = odd.get(f"{figure['source']}&format=parquet").content
    assert pq.read_table(pa.BufferReader(table)).num_rows == len(rows)
    csv = odd.get("/compare/evaluations", params=two | {"format": "csv"}).text.splitlines()
    assert len(csv) == 1 + 13 + 21
    outputs = odd.get("/figures/compare/outputs", params=two | {"quantity": "d_loss"}).json()
    assert {trace["name"] for trace in outputs["data"]} == {"training", "test", "generated"}
