"""Tables as bytes, read back by the programs that people read Parquet with."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import duckdb
import pandas
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep.store.tables import columns_without_nan, csv_of, parquet_of

TABLE = pa.table(
    {
        "diverged": [1.0, math.nan, 2.0],
        "narrow": pa.array([math.nan, None, 0.5], pa.float32()),
        "lists": pa.array([[1.0, 2.0], [math.nan], None]),
        "lists_of_lists": pa.array([[[1.0], [math.nan]], [], None]),
        "converged": [1.0, math.inf, None],
        "finite_lists": pa.array([[1.0], [], None]),
        "seed": [0, 1, 2],
        "a.dotted.name": [0.0, 1.0, 2.0],
    }
)
WITH_NAN = {"diverged", "narrow", "lists", "lists_of_lists"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "table.parquet"
    path.write_bytes(parquet_of(TABLE))
    return path


def test_only_columns_without_nan_have_a_minimum_and_a_maximum(file: Path) -> None:
    group = pq.read_metadata(file).row_group(0)
    chunks = [group.column(k) for k in range(group.num_columns)]
    bounded = {
        TABLE.column_names[k]: chunk.statistics is not None and chunk.statistics.has_min_max
        for k, chunk in enumerate(chunks)
    }
    assert bounded == {name: name not in WITH_NAN for name in TABLE.column_names}


def test_readers_find_what_is_nan(file: Path) -> None:
    counts = {"diverged": 1, "narrow": 1, "lists[1]": 1, "lists_of_lists[1][1]": 0, "seed": 0}
    for column, count in counts.items():
        query = f"SELECT count(*) FROM '{file}' WHERE isnan({column})"
        assert duckdb.execute(query).fetchall() == [(count,)], column
    query = f"SELECT count(*) FROM '{file}' WHERE diverged > 5"
    assert duckdb.execute(query).fetchall() == [(1,)], "NaN is the greatest number there"
    scanned = polars.scan_parquet(file)
    assert scanned.filter(polars.col("diverged").is_nan()).collect().height == 1
    assert scanned.filter(polars.col("lists").list.first().is_nan()).collect().height == 1
    assert scanned.filter(polars.col("seed") > 1).collect().height == 1
    frame = pandas.read_parquet(file, filters=[("seed", "<", 2)])
    assert frame["diverged"].isna().tolist() == [False, True]


def test_a_column_of_several_tables_holds_nan_if_it_does_in_one() -> None:
    parts = [TABLE.slice(k, 1) for k in range(len(TABLE))]
    assert columns_without_nan(parts) == columns_without_nan([TABLE])
    assert "lists.list.element" not in columns_without_nan(parts)
    assert "finite_lists.list.element" in columns_without_nan(parts)


def test_a_measured_file_has_no_statistics_at_all() -> None:
    group = pq.read_metadata(io.BytesIO(parquet_of(TABLE, packed=False))).row_group(0)
    assert all(group.column(k).statistics is None for k in range(group.num_columns))


TEXTS = st.none() | st.text() | st.text("a,\"'=\r\n", min_size=1)
NUMBERS = st.none() | st.floats(width=64) | st.sampled_from([0.0, -0.0, 5e-324])


def _as_a_number(cell: str) -> float | None:
    return float(cell) if cell else None


@given(st.lists(st.tuples(TEXTS, NUMBERS), max_size=8))
def test_any_text_and_number_is_read_back_from_a_csv(rows: list[tuple[str, float]]) -> None:
    texts, numbers = [row[0] for row in rows], [row[1] for row in rows]
    schema = pa.schema({"a, text": pa.string(), "n": pa.float64()})
    content = csv_of(pa.table([texts, numbers], schema=schema))
    head, *lines = csv.reader(io.StringIO(content.decode(), newline=""))
    assert head == ["a, text", "n"]
    for line, text, number in zip(lines, texts, numbers, strict=True):
        formula = text is not None and text.startswith(("=", "+", "-", "@", "\t", "\r"))
        assert line[0] == f"'{text}" if formula else line[0] == (text or "")
        assert repr(_as_a_number(line[1])) == repr(number)


def test_a_null_alone_in_its_line_is_a_row() -> None:
    content = csv_of(pa.table({"n": pa.array([None, 1.5], pa.float64())}))
    assert list(csv.reader(io.StringIO(content.decode()))) == [["n"], [""], ["1.5"]]
