"""Reading of whole files: side by side, patiently once, each with its own trouble."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from sweep.store import read_files as reading
from sweep.store.read_files import read_files
from sweep.store.store import Store, StoredFile, StoreError
from tests.sweep.store.rows import plan_row, trial_row


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    for k in range(5):
        store.write_rows("trials", f"t{k}", [trial_row(trial_id=f"t{k}", seed=k)])
    store.write_rows("sweeps", "s", [plan_row(trial_id=f"t{k}", position=-k) for k in range(3)])
    return store


@pytest.mark.parametrize("batch", [1, 2, 512])
def test_rows_and_digests(store: Store, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BATCH_FILES", batch)
    files = list(read_files(store, "trials", store.list("trials"), ["trial_id", "seed"]))
    assert [dict(row) for file in files for row in file.rows] == [
        {"trial_id": f"t{k}", "seed": k} for k in range(5)
    ]
    raw = (Path(store.base) / "trials/t0.parquet").read_bytes()
    assert files[0].digest == hashlib.sha256(raw).hexdigest()
    assert all(file.problem is None for file in files)


def test_a_plan_stands_in_its_order_without_rows_that_break_a_rule(store: Store) -> None:
    (plan,) = read_files(store, "sweeps", store.list("sweeps"))
    assert [row["trial_id"] for row in plan.rows] == ["t2", "t1", "t0"]
    rows = [plan_row(), plan_row(), plan_row(trial_id="b", seed=None), plan_row(trial_id="c")]
    store.write_rows("sweeps", "s", rows)
    (plan,) = read_files(store, "sweeps", store.list("sweeps"))
    assert [row["trial_id"] for row in plan.rows] == ["a", "c"]
    assert plan.problem == (
        "2 of 4 rows left out: row 2: trial a stands in it twice; "
        "row 3: seed is null, where a whole number is needed"
    )
    store.write_rows("sweeps", "s", [plan_row(sweep="another")])
    (plan,) = read_files(store, "sweeps", store.list("sweeps"))
    assert (plan.rows, plan.problem) == (
        (),
        "is not the plan of the sweep that it is named after",
    )


def test_each_has_its_own_trouble_and_one_that_is_gone_has_none(store: Store) -> None:
    store.write_rows("trials", "t1", [trial_row(trial_id="another")])
    store.write_rows("trials", "t2", [trial_row(trial_id="t2", iterations=0)])
    store.write("trials/t3.parquet", b"cut")
    listed = [*store.list("trials"), StoredFile("trials/gone.parquet", 1, 0)]
    files = {file.file.key: file for file in read_files(store, "trials", listed)}
    assert [key for key, file in files.items() if file.problem is None] == ["t0", "t4"]
    assert files["t1"].problem == "does not hold the one row of the trial that it is named after"
    assert files["t2"].problem == "iterations is 0, where a whole number from 1 is needed"
    assert files["t3"].problem
    assert "gone" not in files


def test_a_store_that_fails_is_waited_for_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience: list[float] = []

    def fail(self: Store, path: str) -> bytes | None:
        patience.append(self.patience)
        raise StoreError("AWS Error SLOW_DOWN")

    monkeypatch.setattr(Store, "read", fail)
    store.patience = 5.0
    monkeypatch.setattr(reading, "FOLDER_READERS", 1)
    files = list(read_files(store, "trials", store.list("trials")))
    assert [file.problem for file in files] == ["AWS Error SLOW_DOWN"] * 5
    assert patience == [5.0, 0.0, 0.0, 0.0, 0.0]
