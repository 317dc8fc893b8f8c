"""Odd rows: every rule of the store is broken once, and by nothing else."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pytest

from sweep.store.schemas import SCHEMAS
from sweep.store.tables import file_of, parse
from sweep.store.validation import RULES, row_problem


@pytest.fixture
def odd_rows(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    import odd_rows

    return odd_rows


@pytest.mark.parametrize("table", RULES)
def test_every_rule_is_broken(odd_rows: ModuleType, table: str) -> None:
    values = dict(odd_rows.broken_values(table))
    assert values.keys() == RULES[table].keys()
    for name, value in values.items():
        problem = row_problem(table, {name: value})
        assert problem is not None
        assert problem.startswith(f"{name} is ")


def test_a_kind_of_oddity_has_a_trial_of_its_own(odd_rows: ModuleType) -> None:
    ids = [f"trial-{k}" for k in range(1000)]
    odd = odd_rows.odd_trials(ids)
    assert len({each.trial_id for each in odd}) == len(odd) > 50
    assert {each.column for each in odd if each.table == "trials"} >= {*RULES["trials"], None}
    assert [(o.column, o.value) for o in odd if o.foreign] == [*odd_rows.FOREIGN.items()]
    assert len(odd_rows.odd_trials(ids[:10])) == 10, "of few trials fewer kinds"


def test_one_value_of_the_last_row_is_changed(odd_rows: ModuleType, tmp_path: Path) -> None:
    schema = SCHEMAS["evaluations"]
    rows = [{"trial_id": "a", "iteration": 0, "fid": 9.0}, {"trial_id": "a", "iteration": 5}]
    path = tmp_path / "a.parquet"
    path.write_bytes(file_of("evaluations", pa.Table.from_pylist(rows, schema=schema)))
    content = odd_rows.with_value(path, "evaluations", "iteration", -1)
    stored = parse(content, "evaluations").to_pylist()
    assert [row["iteration"] for row in stored] == [0, -1]
    assert [row["fid"] for row in stored] == [9.0, None]
