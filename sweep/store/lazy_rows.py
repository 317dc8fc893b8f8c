"""Lazy rows: read when they are iterated over, and made into a table. Standard library.

pandas is imported when a table is asked for, and not before.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sweep.store.vocabulary import JSON_COLUMNS, TIMES

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, slots=True)
class Rows:
    """Dictionaries by column name; every iteration reads anew."""

    read: Callable[[], Iterable[Mapping[str, Any]]]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return map(dict, self.read())

    def to_pandas(self) -> pandas.DataFrame:
        """All rows as a table. Needs pandas."""
        import pandas

        return pandas.DataFrame(list(self))


def with_parsed_json(row: Mapping[str, Any]) -> dict[str, Any]:
    """Parses the JSON columns of a stored row; text that is no JSON stays."""
    return {k: _object(v) if k in JSON_COLUMNS and v is not None else v for k, v in row.items()}


def _object(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def row_of_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Turns an item of the service into a row: its numbers that are not finite, its times."""
    row = {k: v for k, v in item.items() if k != "nonfinite"}
    row |= {name: float(text) for name, text in item.get("nonfinite", {}).items()}
    return row | {k: datetime.fromisoformat(row[k]) for k in TIMES if row.get(k)}
