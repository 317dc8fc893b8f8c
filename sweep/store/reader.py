"""A results folder or bucket, read as the service's client reads the service (api/client.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Protocol

from sweep.store.lazy_rows import Rows, with_parsed_json
from sweep.store.store import Store
from sweep.store.vocabulary import Row


class Files(Protocol):
    """A store, as far as a reader needs it."""

    def list(self, folder: str) -> Sequence[Any]: ...

    def read_rows(self, table: str, key: str) -> Sequence[dict[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the trials of a store as they are now, their evaluations and spectra."""

    store: Files

    def results(self, **filters: Any) -> Rows:
        """Trials that have begun, by id, as stored; read one file at a time.

        A filter names a stored column: `setting="B_64-64"`, `method=["sn", "sr-*"]`, `seed=0`; or
        an open interval of one: `fid_lt=20`, `iteration_gt=100`, where a score without a prefix is
        the best one. Raises ValueError for an unknown column, StoreError for a file that
        cannot be read.
        """
        return Rows(lambda: self._matching(filters))

    def evaluations(self, trial_id: str, keys: Sequence[str] = ()) -> Rows:
        """Evaluations, oldest first: the iteration and the columns `keys`, or all columns."""
        names = ("iteration", *keys)
        rows = self._sorted_rows("evaluations", trial_id, "iteration")
        return Rows(lambda: [{n: row[n] for n in names} if keys else row for row in rows()])

    def spectra(self, trial_id: str, layer: int | None = None) -> Rows:
        """Spectra by layer and iteration, of one layer or of all."""
        rows = self._sorted_rows("spectra", trial_id, "layer", "iteration")
        return Rows(lambda: [row for row in rows() if layer in (None, row["layer"])])

    def _sorted_rows(self, table: str, trial_id: str, *order: str) -> Callable[[], list[Row]]:
        return lambda: sorted(
            self.store.read_rows(table, trial_id), key=lambda row: [row[name] for name in order]
        )

    def _matching(self, filters: Mapping[str, Any]) -> Iterator[Row]:
        for file in self.store.list("trials"):
            for row in self.store.read_rows("trials", file.key):
                if all(_passes(row, name, target) for name, target in filters.items()):
                    yield with_parsed_json(row)


def open(root: str | Path) -> Reader:
    """A results folder or `s3://` URI to read. Raises StoreError if it cannot be opened."""
    return Reader(Store(root))


def _passes(row: Row, name: str, target: Any) -> bool:
    column, _, edge = name.rpartition("_")
    if edge in ("lt", "gt") and name not in row:
        value = row[_first_column(row, f"best_{column}", column)]
        return value is not None and (value < target if edge == "lt" else value > target)
    value = row[_first_column(row, name, f"best_{name}")]
    choices = [target] if isinstance(target, str) or not isinstance(target, Sequence) else target
    if isinstance(value, str):
        return any(fnmatchcase(value, str(choice)) for choice in choices)
    return value in choices


def _first_column(row: Row, *names: str) -> str:
    """The first of the names that is a column."""
    for name in names:
        if name in row:
            return name
    raise ValueError(f"no column {' or '.join(names)}; there are: {', '.join(row)}")
