"""Odd rows and files, as a store of years has them: a service reads over them and says so.

Every rule of `sweep/store/validation.py` is broken once, each in the file of another trial; others
have the status, method and setting of a colleague's branch, or were cut off while they were
written. Which trials these are follows from the list of those that have begun.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sweep.store.schemas import SCHEMAS
from sweep.store.tables import file_of, parquet_of
from sweep.store.validation import RULES

# Nothing is wrong with these: only this version does not know them.
FOREIGN = {"status": "paused", "method": "sr-colleague", "setting": "Z_48-96"}
CURVES = ("evaluations", "spectra", "outputs")
HALF, EMPTY, OTHER_COLUMNS = "half", "empty", "other columns"


@dataclass(frozen=True, slots=True)
class Odd:
    """A trial whose file of `table` has `value` in `column`, or is damaged as `value` says."""

    trial_id: str
    table: str
    column: str | None
    value: Any

    @property
    def foreign(self) -> bool:
        """Tells whether the row is a good one of a newer writer."""
        return (self.column, self.value) in FOREIGN.items()


def odd_trials(begun: Sequence[str]) -> list[Odd]:
    """The odd ones among these ids, spread evenly; of few ids fewer kinds."""
    kinds = list(_kinds())
    ids = begun[:: max(1, len(begun) // len(kinds))]
    return [Odd(trial_id, *kind) for trial_id, kind in zip(ids, kinds, strict=False)]


def spoil(root: Path, begun: Sequence[str]) -> None:
    """Makes the files of these trials odd, and puts files that are none of the store beside."""
    for odd in odd_trials(begun):
        path = root / odd.table / f"{odd.trial_id}.parquet"
        if not path.exists():  # a store without these curves
            continue
        if odd.column is not None:
            path.write_bytes(with_value(path, odd.table, odd.column, odd.value))
        else:
            path.write_bytes(_damaged(path.read_bytes(), odd.value))
    (root / "trials/README.txt").write_text("copied from the old cluster\n")
    (root / "trials/by-hand.parquet").write_bytes(_damaged(b"", OTHER_COLUMNS))
    (root / "sweeps/notes.txt").write_text("ask before you stop it\n")
    (root / "sweeps/half.json").write_text('{"sweep": "half", "state": "run')
    (root / "sweeps/odd.parquet").write_bytes(_odd_plan(root))


def broken_values(table: str) -> Iterator[tuple[str, Any]]:
    """Each column of the table that has a rule, and a value that breaks it."""
    for name, (holds, _) in RULES[table].items():
        values = _values(SCHEMAS[table].field(name).type)
        yield name, next(value for value in values if not holds(value))


def with_value(path: Path, table: str, column: str, value: Any) -> bytes:
    """The file with this value in the column of its last row."""
    stored = pq.ParquetFile(path).read(use_threads=False)
    return file_of(table, _replaced(stored, len(stored) - 1, column, value))


def _kinds() -> Iterator[tuple[str, str | None, Any]]:
    """Table, column and value of every kind of oddity."""
    for table in ("trials", *CURVES):
        yield from ((table, name, value) for name, value in broken_values(table))
    yield from (("trials", name, value) for name, value in FOREIGN.items())
    yield from (("trials", None, damage) for damage in (HALF, EMPTY, OTHER_COLUMNS))
    yield from ((table, None, damage) for table in CURVES for damage in (HALF, EMPTY))


def _values(kind: pa.DataType) -> Sequence[Any]:
    if pa.types.is_string(kind):
        return None, '{"cut off": '
    return (None, float("inf")) if pa.types.is_floating(kind) else (None, -1)


def _damaged(content: bytes, damage: str) -> bytes:
    if damage == OTHER_COLUMNS:
        return parquet_of(pa.table({"run": ["a", "b"], "loss": [0.5, 0.25]}))
    return content[: len(content) // 2] if damage == HALF else b""


def _odd_plan(root: Path) -> bytes:
    """A plan of which every rule of `sweeps` is broken by one row; the others are good."""
    broken = list(broken_values("sweeps"))
    plan = pq.ParquetFile(root / "sweeps/everything.parquet").read(use_threads=False)
    plan = plan.slice(0, 2 * len(broken))
    plan = _replaced(plan, slice(0, len(plan)), "sweep", "odd")
    for place, (name, value) in enumerate(broken[: len(plan)]):
        plan = _replaced(plan, place, name, value)
    return file_of("sweeps", plan)


def _replaced(table: pa.Table, rows: int | slice, name: str, value: Any) -> pa.Table:
    place = table.column_names.index(name)
    values = table.column(place).to_pylist()
    values[rows] = [value] * len(values[rows]) if isinstance(rows, slice) else value
    field = table.schema.field(place)
    return table.set_column(place, field, pa.array(values, field.type))
