from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from sweep.store import indexed_table as module
from sweep.store.index import index_path, refresh
from sweep.store.indexed_table import indexed_table
from sweep.store.schemas import SCHEMAS
from sweep.store.store import Store
from tests.sweep.store.rows import plan_row, trial_row


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Settled files of five trials and of two plans, and an index of them."""
    store = Store(tmp_path)
    for k in range(5):
        store.write_rows("trials", f"t{k}", [trial_row(trial_id=f"t{k}", seed=k)])
    for name in ("a", "b"):
        store.write_rows("sweeps", name, [plan_row(sweep=name, trial_id=f"t{k}", position=k)
                                          for k in range(5)])  # fmt: skip
    past = time.time_ns() - 10**10
    for path in tmp_path.rglob("*.parquet"):
        os.utime(path, ns=(past, past))
    refresh(store)
    return store


def seeds(store: Store) -> list[int]:
    return sorted(indexed_table(store, "trials")[0]["seed"].to_pylist())


def test_the_index_and_the_files_give_the_same(store: Store) -> None:
    for table in ("trials", "sweeps"):
        indexed, problems = indexed_table(store, table)
        assert indexed.schema.names == SCHEMAS[table].names
        assert problems == {}
        store.write(index_path(table), b"no index")
        again, _ = indexed_table(store, table)
        assert again.to_pylist() == indexed.to_pylist()


def test_only_what_changed_is_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    original = module.read_files

    def counted(store: Store, table: str, files: list) -> object:
        read.extend(file.path for file in files)
        return original(store, table, files)

    monkeypatch.setattr(module, "read_files", counted)
    store.write_rows("trials", "t1", [trial_row(trial_id="t1", seed=11)])
    store.delete("trials/t2.parquet")
    store.write_rows("trials", "t9", [trial_row(trial_id="t9", seed=9)])
    assert seeds(store) == [0, 3, 4, 9, 11]
    assert read == ["trials/t1.parquet", "trials/t9.parquet"]


def test_what_cannot_be_read_is_named(store: Store) -> None:
    store.write("trials/t0.parquet", b"nothing")
    store.write_rows("trials", "t1", [trial_row(trial_id="t1", seconds=-1.0)])
    table, problems = indexed_table(store, "trials")
    assert sorted(table["trial_id"].to_pylist()) == ["t2", "t3", "t4"]
    assert sorted(problems) == ["trials/t0.parquet", "trials/t1.parquet"]


def test_a_store_that_has_nothing(tmp_path: Path) -> None:
    table, problems = indexed_table(Store(tmp_path), "trials")
    assert (len(table), problems) == (0, {})


def test_many_new_files_become_an_index(store: Store) -> None:
    store.delete(index_path("trials"))
    for k in range(60):
        store.write_rows("trials", f"n{k}", [trial_row(trial_id=f"n{k}", seed=100 + k)])
    assert len(seeds(store)) == 65
    assert store.read(index_path("trials")) is not None
