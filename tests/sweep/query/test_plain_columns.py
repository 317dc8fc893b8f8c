from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from sweep.query.plain_columns import with_plain_columns


def plain(expression: str) -> tuple[pa.DataType, Any]:
    table = duckdb.connect().sql(f"select {expression}").to_arrow_table()
    column = with_plain_columns(table).column(0)
    return column.type, column.to_pylist()[0]


TIME = pa.timestamp("us", tz="UTC")


@pytest.mark.parametrize(
    ("expression", "kind", "value"),
    [
        ("1::utinyint", pa.int64(), 1),
        ("sum(1)", pa.int64(), 1),
        ("123456789012345678901234567890::hugeint", pa.float64(), 1.2345678901234568e29),
        ("18446744073709551615::ubigint", pa.string(), "18446744073709551615"),
        ("1.25::decimal(10, 2)", pa.float64(), 1.25),
        ("1.5::float", pa.float64(), 1.5),
        ("true", pa.bool_(), True),
        ("null", None, None),
        ("'a'::enum('a', 'b')", pa.string(), "a"),
        ("date '2026-01-02'", pa.string(), "2026-01-02"),
        ("timestamp '2026-01-02 03:04:05'", TIME, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("timestamp_ns '2026-01-02'", pa.string(), "2026-01-02 00:00:00"),
        ("[1, null]", pa.list_(pa.int64()), [1, None]),
        ("[[1], [2]]", pa.string(), "[[1], [2]]"),
        ("{'a': 1, 'b': 'x'}", pa.string(), '{"a": 1, "b": "x"}'),
        ("'\\x01\\xff'::blob", pa.string(), "01ff"),
    ],
)
def test_kinds(expression: str, kind: pa.DataType | None, value: Any) -> None:
    found_kind, found_value = plain(expression)
    assert found_value == value
    assert kind is None or found_kind == kind


def test_not_finite_stays_what_it_is() -> None:
    assert math.isnan(plain("'nan'::float")[1])
    assert plain("'-infinity'::double")[1] == -math.inf
    # No Python has this time: it becomes text, and no error.
    assert plain("timestamp 'infinity'")[0] == pa.string()


def test_names_are_unique() -> None:
    table = duckdb.connect().sql("select 1 x, 2 x, 3 x_1, 4 x").to_arrow_table()
    assert with_plain_columns(table).column_names == ["x", "x_1", "x_1_1", "x_2"]
