"""Rows that are read when they are gone through, and the table that they make. Standard library.

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
    """Dictionaries by column name; every walk through them reads anew."""

    read: Callable[[], Iterable[Mapping[str, Any]]]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return map(dict, self.read())

    def to_pandas(self) -> pandas.DataFrame:
        """All rows as a table. Needs pandas."""
        import pandas

        return pandas.DataFrame(list(self))


def opened(row: Mapping[str, Any]) -> dict[str, Any]:
    """A stored row with its JSON as objects; what is no JSON stays the text that it is."""
    return {k: _object(v) if k in JSON_COLUMNS and v is not None else v for k, v in row.items()}


def _object(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def restored(item: Mapping[str, Any]) -> dict[str, Any]:
    """A row as the service tells it, with its numbers that are not finite and its times."""
    told = {k: v for k, v in item.items() if k != "nonfinite"}
    told |= {name: float(what) for name, what in item.get("nonfinite", {}).items()}
    return told | {k: datetime.fromisoformat(told[k]) for k in TIMES if told.get(k)}
