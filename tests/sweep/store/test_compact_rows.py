"""Compact rows: the same as dictionaries of the values that Arrow gives."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from sweep.store.compact_rows import compact_rows, values_by_column
from sweep.store.schemas import SCHEMAS
from sweep.store.tables import columns, planned_row, pylist
from tests.sweep.store.rows import plan_row, trial_row


def test_rows_are_what_arrow_holds() -> None:
    moment = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
    stored = [
        trial_row(trial_id="a", best_fid=float("nan"), updated_at=moment),
        trial_row(trial_id="b", best_fid=1.5, config='{"a": 1}'),
    ]
    table = columns("trials", stored)
    rows = compact_rows(table)
    assert repr(list(map(dict, rows))) == repr(pylist(table))
    # By the cell, as pyarrow itself converts it.
    for row, line in zip(rows, table.drop_columns(["best_fid"]).to_pylist(), strict=True):
        assert {name: row[name] for name in line} == line
    assert list(rows[0]) == SCHEMAS["trials"].names
    assert ("host" in rows[0], "hosts" in rows[0], len(rows[0])) == (
        True,
        False,
        table.num_columns,
    )
    assert rows[0]["method"] is rows[1]["method"]
    with pytest.raises(KeyError):
        rows[0]["hosts"]


def test_a_planned_row_has_its_identity_and_nothing_else() -> None:
    (plan,) = compact_rows(columns("sweeps", [plan_row(i_ratio=0.5)]))
    row = planned_row(plan, iteration=0)
    assert list(row) == SCHEMAS["trials"].names
    values = {name: value for name, value in row.items() if value is not None}
    identity = {k: v for k, v in plan.items() if v is not None}
    for name in ("sweep", "position", "operations"):
        del identity[name]
    assert values == identity | {"status": "planned", "iteration": 0}
    # A projection of a projection has the same values.
    assert dict(row.projected(["seed", "host"], {})) == {"seed": 0, "host": None}


def test_a_row_takes_a_third_of_a_dictionary() -> None:
    (row,) = compact_rows(columns("trials", [trial_row()]))
    assert len(pickle.dumps(row._values)) < len(pickle.dumps(dict(row)))
    assert not hasattr(row, "__dict__")


def test_text_that_is_none_raises() -> None:
    table = pa.table({"host": pa.array([b"\xff"]).cast(pa.binary())})
    broken = table.set_column(0, "host", table["host"].combine_chunks().view(pa.string()))
    with pytest.raises(ValueError, match="utf-8"):
        compact_rows(broken)


def test_values_by_column_of_rows_of_any_kind() -> None:
    (stored,) = compact_rows(columns("trials", [trial_row(trial_id="a", best_fid=1.5)]))
    planned = stored.projected(["trial_id"], {"trial_id": "b"})
    rows = [stored, planned, {"trial_id": "c"}]
    names = ["trial_id", "best_fid", "n/a"]
    by_column = [list(values) for values in values_by_column(rows, names)]
    assert by_column == [["a", "b", "c"], [1.5, None, None], [None, None, None]]
    assert [list(values) for values in values_by_column([stored], ["best_fid"])] == [[1.5]]
    assert values_by_column([], names) == [(), (), ()]
