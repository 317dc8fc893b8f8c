"""Nested models as rows of a table, and every route that is one, as files."""

from __future__ import annotations

import io
import json
import math
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import BaseModel, Field

from api import __main__ as command
from api.web.flattening import flat_columns, flat_table
from api.web.nonfinite import Nonfinite
from sweep.store.nonfinite import finite
from tests.api.servers import result_items

DESCRIPTION = json.loads(Path(command.__file__).with_name("openapi.json").read_text())
# Neither a table nor a row: drawings, pictures, streams, probes and metrics.
NO_TABLES = (
    *("/figures/", "/events", "/healthz", "/readyz", "/metrics", "/samples/{iteration}"),
    *("/generator", "/generate", "/llms.txt"),
)
TABLES = [
    path for path, does in DESCRIPTION["paths"].items()
    if "get" in does and not (path.startswith(NO_TABLES) or path.endswith(NO_TABLES))
]  # fmt: skip


class Part(BaseModel):
    share: float | None = Field(description="0 to 1")
    nonfinite: Nonfinite = {}


class Whole(BaseModel):
    name: str
    at: datetime | None
    part: Part
    other: Part | None
    counts: dict[str, int]
    parts: list[Part]
    seeds: list[int]
    nonfinite: Nonfinite = {}


# The store of these tests has no request and no dynamic compensation.
EMPTY = (
    "/sweeps/{name}/actions", "/fig12", "/notes", "/orders", "/sweeps/{name}/notes",
    "/trials/{trial_id}/notes",
)  # fmt: skip


def test_a_nested_model() -> None:
    part = Part.model_validate(finite({"share": math.inf}))
    whole = Whole(
        name="a",
        at=datetime(2026, 3, 1, tzinfo=UTC),
        part=part,
        other=None,
        counts={"planned": 2},
        parts=[Part(share=0.5)],
        seeds=[1, 2],
    )
    table = flat_table(Whole, [whole])
    assert table.column_names == [
        "name", "at", "part_share", "other_share", "counts", "parts", "seeds"
    ]  # fmt: skip
    (row,) = table.to_pylist()
    assert row["part_share"] == math.inf, "not null, as in JSON"
    assert row["other_share"] is None
    assert json.loads(row["counts"]) == {"planned": 2}
    assert json.loads(row["parts"])[0]["share"] == 0.5
    assert (row["at"], row["seeds"]) == (whole.at, [1, 2])
    assert table.schema.field("part_share").metadata == {b"says": b"0 to 1"}
    assert flat_table(Whole, []).schema == pa.schema(list(flat_columns(Whole)))


@pytest.fixture(scope="module")
def values(http: httpx2.Client) -> dict[str, str]:
    trial = result_items(http, method="sn", status="collapsed")[0]["trial_id"]
    return {"trial_id": trial, "name": "demo", "number": "3", "table": "spectra"}


@pytest.mark.parametrize("path", TABLES)
def test_a_table_is_to_be_had_as_every_file(
    http: httpx2.Client, values: dict[str, str], path: str
) -> None:
    two = [item["trial_id"] for item in result_items(http, limit=2)]
    query = {"t": two} if "/compare" in path else {}
    query |= {"q": "from trials"} if path == "/sql" else {}
    address = path.format(**values)
    csv, parquet, arrow = (
        http.get(address, params=query | {"format": format})
        for format in ("csv", "parquet", "arrow")
    )
    assert {answer.status_code for answer in (csv, parquet, arrow)} == {200}
    frame = pandas.read_csv(io.BytesIO(csv.content))
    stored = pq.read_table(io.BytesIO(parquet.content))
    streamed = pa.ipc.open_stream(arrow.content).read_all()
    assert list(frame) == stored.column_names == streamed.column_names
    assert len(frame) == len(stored) == len(streamed)
    assert len(stored) > 0 or path in EMPTY
    media = {a.headers["content-type"].partition(";")[0] for a in (csv, parquet, arrow)}
    assert media <= DESCRIPTION["paths"][path]["get"]["responses"]["200"]["content"].keys()
    assert {a.headers["content-disposition"].rpartition(".")[2] for a in (csv, arrow)} == {
        'csv"', 'arrow"'
    }  # fmt: skip
    assert http.get(address, params=query | {"format": "xml"}).status_code == 406


def test_a_trial_is_a_row_of_the_list(http: httpx2.Client, values: dict[str, str]) -> None:
    trial_id = values["trial_id"]
    alone = pq.read_table(
        io.BytesIO(http.get(f"/trials/{trial_id}?format=parquet").content)
    ).to_pylist()[0]
    listed = pq.read_table(
        io.BytesIO(http.get("/results?format=parquet&fields=*").content)
    ).to_pylist()
    (row,) = (row for row in listed if row["trial_id"] == trial_id)
    assert {name: repr(alone[name]) for name in row} == {k: repr(v) for k, v in row.items()}
    assert alone.keys() - row.keys() == {
        "sweeps", "verdict_sentence", "verdict_healthy", "ancestors", "children", "gpu_hours",
        "expense_money", "expense_currency", "expense_kwh",
    }  # fmt: skip
    assert alone["sweeps"] == ["demo", "fig8"]
    assert alone["verdict_healthy"] is False


def test_compared_trials_have_their_keys(http: httpx2.Client) -> None:
    two = [item["trial_id"] for item in result_items(http, setting="C_32-32", method="sn")[:2]]
    answer = http.get("/compare", params={"t": two, "format": "csv"})
    rows = pandas.read_csv(io.BytesIO(answer.content))
    assert rows["trial_id"].tolist() == two
    keys = [json.loads(text) for text in rows["keys"]]
    assert [key["configuration.seed"] for key in keys] == rows["seed"].tolist()
    assert rows["best_distance_above_first"].isna().tolist() == [True, False]


def test_sweeps_are_rows(http: httpx2.Client) -> None:
    rows = pandas.read_csv(io.BytesIO(http.get("/sweeps?format=csv").content))
    items = http.get("/sweeps").json()["items"]
    assert rows["name"].tolist() == [item["name"] for item in items]
    assert [json.loads(text) for text in rows["counts"]] == [item["counts"] for item in items]
    assert rows["progress_trials"].tolist() == [item["progress"]["trials"] for item in items]
