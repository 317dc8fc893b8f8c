"""A results folder read by pandas, Polars and DuckDB, as the sweep's README says for each.

The folder is as a store gets: files of two versions of the schema, JSON beside Parquet, and what a
killed writer left.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

from sweep.store.filesystems import ABANDONED_SECONDS, remove_abandoned
from sweep.store.index import refresh
from sweep.store.store import Store
from tests.sweep.store.rows import plan_row, trial_row

README = Path(__file__).parents[3] / "sweep/README.md"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "results"
    store = Store(root)
    for k in range(3):
        store.write_rows("trials", f"t{k}", [trial_row(trial_id=f"t{k}", gpus=0.5)])
        curve = [{"trial_id": f"t{k}", "iteration": i, "fid": 9.0 - i} for i in range(2)]
        store.write_rows("evaluations", f"t{k}", curve)
    # The first file of each folder is of an older version, which some columns are missing in.
    for path, added in (("trials/t0", "gpus"), ("evaluations/t0", "gpu_memory")):
        file = root / f"{path}.parquet"
        pq.write_table(pq.read_table(file).drop_columns([added]), file)
    plan = [plan_row(trial_id=f"t{k}", position=k) for k in range(4)]
    store.write_rows("sweeps", "s", plan)
    store.write("sweeps/s.json", json.dumps({"state": "running"}).encode())
    (root / ".tmp").mkdir(exist_ok=True)
    (root / ".tmp/trials.t9.parquet.77").write_bytes(b"PAR1 half a fi")
    refresh(store)
    return root


def code_of_readme(engine: str) -> str:
    """The README's lines that use the engine, which are run as they stand."""
    (block,) = re.findall(rf"```python\nimport {engine}\n(.*?)```", README.read_text(), re.DOTALL)
    return f"import {engine}\n{block}"


@pytest.mark.parametrize("engine", ["pandas", "polars", "duckdb"])
def test_the_readmes_lines(engine: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root.parent)
    names: dict[str, object] = {}
    exec(compile(code_of_readme(engine), str(README), "exec"), names)
    trials, curves, plans = (names[name] for name in ("trials", "curves", "plans"))
    assert [len(table) for table in (trials, curves, plans)] == [3, 6, 4]  # pyright: ignore[reportArgumentType]


def test_no_engine_loses_a_column(root: Path) -> None:
    trials = f"{root}/index/trials.parquet"
    assert pd.read_parquet(trials).gpus.tolist()[1:] == [0.5, 0.5]
    assert pl.read_parquet(trials)["gpus"].to_list() == [None, 0.5, 0.5]
    query = f"select gpus from read_parquet('{root}/trials/*.parquet', union_by_name=true)"
    assert sorted(duckdb.execute(query).fetchall(), key=str) == [(0.5,), (0.5,), (None,)]


def test_no_temporary_file_stands_among_results(root: Path) -> None:
    kinds = {path.suffix for path in (root / "trials").iterdir()}
    assert kinds == {".parquet"}
    curves = pl.scan_parquet(
        root / "evaluations", missing_columns="insert", extra_columns="ignore"
    )
    assert curves.collect().height == 6
    remove_abandoned(f"{root}/.tmp", time.time())
    assert len(list((root / ".tmp").iterdir())) == 1
    remove_abandoned(f"{root}/.tmp", time.time() + ABANDONED_SECONDS + 1)
    assert not (root / ".tmp").exists()
    remove_abandoned(f"{root}/nowhere", 0.0)
