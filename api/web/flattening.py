"""Flattens response models into rows of a table: what CSV, Parquet and Arrow have of nested JSON.

A nested model gives columns of its own, named with it: `progress_share`. Lists of models and
objects of any keys are JSON text. A number that is null for not being finite is so again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, get_args, get_origin

import pyarrow as pa
from pydantic import BaseModel

from api.web.formats import arrow_type, table_of
from api.web.nonfinite import stored_fields

NONFINITE = "nonfinite"


def flat_table(model: type[BaseModel], items: Iterable[BaseModel]) -> pa.Table:
    """A row of each of these models, whose class is `model`."""
    return table_of(map(flat_row, items), pa.schema(list(flat_columns(model))))


def flat_columns(model: type[BaseModel], prefix: str = "") -> Iterator[pa.Field]:
    """Yields the columns of a model."""
    for name, field in model.model_fields.items():
        if name == NONFINITE:
            continue
        kind = _without_none(field.annotation)
        if _is_model(kind):
            yield from flat_columns(kind, f"{prefix}{name}_")
        else:
            column_type = pa.string() if _is_text(kind) else arrow_type(kind)
            yield pa.field(prefix + name, column_type, metadata={"says": field.description or ""})


def flat_row(item: BaseModel, prefix: str = "") -> dict[str, Any]:
    """The model by those columns; what it has nothing of is missing."""
    row = {}
    for name, value in stored_fields(item).items():
        own = getattr(item, name)
        if isinstance(own, BaseModel):
            row |= flat_row(own, f"{prefix}{name}_")
        elif value is not None:
            kind = _without_none(type(item).model_fields[name].annotation)
            row[prefix + name] = json_text(value) if _is_text(kind) else value
    return row


def json_text(value: Any) -> str:
    """JSON of values as they are stored, times in ISO 8601."""
    return json.dumps(value, default=lambda time: time.isoformat())


def _without_none(annotation: Any) -> Any:
    kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
    return kinds[0] if type(None) in get_args(annotation) and len(kinds) == 1 else annotation


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _is_text(kind: Any) -> bool:
    return get_origin(kind) is dict or (get_origin(kind) is list and _is_model(get_args(kind)[0]))
