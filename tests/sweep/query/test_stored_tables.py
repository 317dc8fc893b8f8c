from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from sweep.query.sandbox import sandbox
from sweep.query.stored_tables import Source, source
from sweep.store.schemas import SCHEMAS
from sweep.store.store import Store
from tests.sweep.query.conftest import curve


def asked(opened: Source, sql: str) -> list[tuple[Any, ...]]:
    connection = sandbox(2**28, 1)
    connection.register("evaluations", opened.content)
    return connection.execute(sql).fetchall()


@pytest.fixture
def copied(three: Path, tmp_path: Path) -> Store:
    return Store(shutil.copytree(three, tmp_path / "copied"))


@pytest.mark.parametrize("table", SCHEMAS)
def test_every_table_has_the_stores_columns(three: Path, table: str) -> None:
    opened = source(Store(three), table)
    assert opened.content.schema.names == SCHEMAS[table].names
    assert opened.left_out == {}


def test_values_are_those_of_the_files(three: Path) -> None:
    """Against DuckDB's own reader of the same files, NaN and lists among them."""
    sql = "select * exclude (trial_id) from {} order by trial_id, iteration"
    plain = duckdb.execute(sql.format(f"read_parquet('{three}/evaluations/*.parquet')"))
    assert str(asked(source(Store(three), "evaluations"), sql.format("evaluations"))) == str(
        plain.fetchall()
    )


@pytest.mark.parametrize(
    "condition",
    [
        "iteration > 150 and d_loss < 0.4",
        "fd_digits > 750",  # NaN is the greatest number
        "isnan(fd_digits)",
        "trial_id = 't1' and iteration in (100, 300)",
        "trial_id in ('t0', 't1') and d_loss is not null",
        "trial_id = 'nobody'",
        "sigma1[1] >= 4",
        "d_gradient is null and iteration <> 200",
    ],
)
def test_conditions_choose_the_rows_that_they_say(three: Path, condition: str) -> None:
    sql = f"select trial_id, iteration from {{}} where {condition} order by all"
    plain = duckdb.execute(sql.format(f"read_parquet('{three}/evaluations/*.parquet')"))
    # The files have no statistics, by which DuckDB would skip NaN.
    assert asked(source(Store(three), "evaluations"), sql.format("evaluations")) == (
        plain.fetchall()
    )


def test_a_condition_on_the_trial_reads_its_file_alone(
    three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    original = Store.read

    def counted(store: Store, path: str) -> bytes | None:
        read.append(path)
        return original(store, path)

    monkeypatch.setattr(Store, "read", counted)
    opened = source(Store(three), "evaluations")
    assert asked(opened, "select count(*) from evaluations where trial_id = 't1'") == [(5,)]
    assert read == ["evaluations/t1.parquet"]
    assert asked(opened, "from evaluations a join evaluations b using (trial_id) select count(*)")
    assert len(read) == 5


def test_files_that_cannot_be_read_are_left_out_by_name(copied: Store) -> None:
    copied.write("evaluations/t1.parquet", b"no Parquet at all")
    copied.write_rows("evaluations", "t2", curve("t0"))
    opened = source(copied, "evaluations")
    assert asked(opened, "select distinct trial_id from evaluations") == [("t0",)]
    assert sorted(opened.left_out) == ["evaluations/t1.parquet", "evaluations/t2.parquet"]
    assert opened.left_out["evaluations/t2.parquet"] == "it holds rows of another trial"


def test_a_file_that_goes_meanwhile_is_no_error(copied: Store) -> None:
    opened = source(copied, "evaluations")
    copied.delete("evaluations/t1.parquet")
    assert asked(opened, "select count(*) from evaluations") == [(5,)]
    assert opened.left_out == {}
