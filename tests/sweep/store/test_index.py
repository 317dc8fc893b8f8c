"""The derived index: never more than slow."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

from sweep.store import index
from sweep.store.index import read_by_index, read_index, refresh, trial_rows
from sweep.store.store import Store, StoreError
from sweep.store.tables import columns, file_of
from tests.sweep.store.rows import plan_row, trial_row

TRIALS = 3


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Settled files of three trials and of a plan of four, with the driver's file beside it."""
    store = Store(tmp_path / "results")
    plan = [plan_row(trial_id=f"t{k}", position=k) for k in range(TRIALS + 1)]
    store.write_rows("sweeps", "s", plan)
    store.write("sweeps/s.json", json.dumps({"state": "running"}).encode())
    for k in range(TRIALS):
        store.write_rows("trials", f"t{k}", [trial_row(trial_id=f"t{k}", seed=k)])
    settle(store)
    return store


def settle(store: Store) -> None:
    past = time.time_ns() - 10**10
    for path in Path(store.base).rglob("*.parquet"):
        os.utime(path, ns=(past, past))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that have been read so far, without the index itself."""
    paths: list[str] = []
    original = Store.read

    def counted(self: Store, path: str) -> bytes | None:
        paths.extend([] if path.startswith("index/") else [path])
        return original(self, path)

    monkeypatch.setattr(Store, "read", counted)
    return paths


def seeds(store: Store) -> dict[str, list[int]]:
    files = read_by_index(store, "trials", store.list("trials"))
    return {file.file.key: [row["seed"] for row in file.rows] for file in files.values()}


def test_what_did_not_change_is_not_read(store: Store, read: list[str]) -> None:
    refresh(store)
    read.clear()
    assert seeds(store) == {"t0": [0], "t1": [1], "t2": [2]}
    assert read == []
    # The rows are whole, and those of the files.
    rows = {f.file.key: f.rows for f in read_index(store, "trials").values()}
    assert all(dict(rows[key][0]) == store.read_rows("trials", key)[0] for key in rows)
    assert len(read_index(store, "sweeps")["sweeps/s.parquet"].rows) == TRIALS + 1


def test_what_changed_is_read_and_what_is_gone_is_gone(store: Store, read: list[str]) -> None:
    refresh(store)
    store.write_rows("trials", "t1", [trial_row(trial_id="t1", seed=7)])
    store.delete("trials/t0.parquet")
    read.clear()
    assert seeds(store) == {"t1": [7], "t2": [2]}
    assert read == ["trials/t1.parquet"]
    settle(store)
    refresh(store)
    assert {f.file.key for f in read_index(store, "trials").values()} == {"t1", "t2"}


def test_a_file_that_may_still_change_under_its_time_is_read(
    store: Store, read: list[str]
) -> None:
    store.write_rows("trials", "young", [trial_row(trial_id="young", seed=9)])
    refresh(store)
    read.clear()
    assert seeds(store) == {"t0": [0], "t1": [1], "t2": [2], "young": [9]}
    assert read == ["trials/young.parquet"]
    # For a person who reads the index itself it is there.
    assert pd.read_parquet(f"{store.base}/index/trials.parquet").trial_id.tolist()[-1] == "young"


def test_what_is_left_out_is_read_each_time_and_says_why(store: Store) -> None:
    store.write_rows("trials", "t1", [trial_row(trial_id="t1", seed=None)])
    store.write("trials/t2.parquet", b"no Parquet")
    settle(store)
    for _ in range(2):
        refresh(store)
        files = read_by_index(store, "trials", store.list("trials"))
        assert "seed is null" in str(files["trials/t1.parquet"].problem)
        assert files["trials/t2.parquet"].problem
        assert files["trials/t2.parquet"].rows == ()


def test_it_is_written_when_much_is_new_and_keeps_what_was_not_asked_for(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds(store)
    assert read_index(store, "trials") == {}
    monkeypatch.setattr(index, "NEW_FILES", 1)
    one, *others = store.list("trials")
    read_by_index(store, "trials", others)
    read_by_index(store, "trials", [one])
    assert len(read_index(store, "trials")) == TRIALS


@pytest.mark.parametrize("damage", ["cut", "flipped", "foreign", "swapped", "empty"])
def test_a_damaged_one_costs_time_alone(store: Store, read: list[str], damage: str) -> None:
    refresh(store)
    path = Path(store.base) / "index/trials.parquet"
    raw = path.read_bytes()
    match damage:
        case "cut":
            path.write_bytes(raw[: len(raw) // 2])
        case "flipped":
            path.write_bytes(raw[:500] + bytes([raw[500] ^ 1]) + raw[501:])
        case "foreign":
            pq.write_table(pq.read_table(path).replace_schema_metadata(None), path)
        case "swapped":
            table = pq.read_table(path)
            shifted = table["file_path"].to_pylist()
            column = table.schema.get_field_index("file_path")
            pq.write_table(
                table.set_column(column, "file_path", [shifted[1:] + shifted[:1]]), path
            )
        case "empty":
            path.write_bytes(b"")
    read.clear()
    assert seeds(store) == {"t0": [0], "t1": [1], "t2": [2]}
    assert len(read) == TRIALS


def test_a_store_that_cannot_be_written_is_read(store: Store) -> None:
    (Path(store.base) / "index").write_text("no folder")
    refresh(store)
    assert seeds(store) == {"t0": [0], "t1": [1], "t2": [2]}


def test_pandas_polars_and_duckdb_read_one_file_of_one_schema(store: Store) -> None:
    refresh(store)
    path = f"{store.base}/index/trials.parquet"
    assert pd.read_parquet(path).seed.tolist() == [0, 1, 2]
    assert pl.read_parquet(path)["seed"].to_list() == [0, 1, 2]
    with duckdb.connect() as connection:
        query = connection.execute(f"select seed from '{path}' order by 1")
        assert query.fetchall() == [(0,), (1,), (2,)]
    plan = f"{store.base}/index/sweeps.parquet"
    assert pd.read_parquet(plan).trial_id.tolist() == ["t0", "t1", "t2", "t3"]


def test_rows_of_trials_by_id_come_from_one_listing(
    store: Store, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = trial_rows(store, ["t2", "t0", "none", "t0"])
    assert {i: dict(row) for i, row in rows.items()} == {
        i: store.read_rows("trials", i)[0] for i in ("t0", "t2")
    }
    read.clear()
    assert trial_rows(store, ["none", "neither"]) == {}
    assert trial_rows(store, []) == {}
    assert read == []
    assert {
        i: dict(row) for i, row in trial_rows(store, ["t1"], ("trial_id", "seed")).items()
    } == {"t1": {"trial_id": "t1", "seed": 1}}
    # Of many the index has those that did not change.
    refresh(store)
    store.write_rows("trials", "t1", [trial_row(trial_id="t1", seed=7)])
    monkeypatch.setattr(index, "NEW_FILES", 1)
    read.clear()
    rows = trial_rows(store, ["t0", "t1", "t2"], ("trial_id", "seed"))
    assert {i: row["seed"] for i, row in rows.items()} == {"t0": 0, "t1": 7, "t2": 2}
    assert read == ["trials/t1.parquet"]


def test_a_trial_that_cannot_be_read_is_an_error_that_names_it(store: Store, with_host) -> None:
    rows = trial_rows(store, ["t0", "t2"])
    for content in (
        b"no Parquet",
        store.read("trials/t0.parquet"),
        file_of("trials", with_host(columns("trials", [trial_row(trial_id="t1")]), b"\xff")),
    ):
        assert content is not None
        store.write("trials/t1.parquet", content)
        with pytest.raises(StoreError, match=r"^cannot read trials/t1.parquet in .*results: .+"):
            trial_rows(store, ["t0", "t1", "t2"])
        assert trial_rows(store, ["t0", "t2"]) == rows, "who does not ask for it"
