"""Writes NaN and infinity in JSON, which has neither: as null, and beside it their name."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field

M = TypeVar("M", bound=BaseModel)
Nonfinite = Annotated[
    dict[str, Literal["nan", "inf", "-inf"]],
    Field(description="fields that are null because they were not finite"),
]


# Types of which every value is JSON as it is.
_ALWAYS_JSON = frozenset([int, str, bool, type(None)])


def without_nonfinite(value: Any) -> Any:
    """Replaces every number that is not finite by null, at any depth."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: without_nonfinite(item) for key, item in value.items()}
        case list() | tuple():
            # Most are long lists of numbers: a call for each would take five times as long.
            return [
                item
                if (kind := item.__class__) in _ALWAYS_JSON
                or (kind is float and math.isfinite(item))
                else without_nonfinite(item)
                for item in value
            ]
    return value


def finite(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Replaces fields that are not finite by null, and names them in `nonfinite`."""
    finite_fields, nonfinite = {}, {}
    for name, value in fields.items():
        if isinstance(value, float) and not math.isfinite(value):
            nonfinite[name] = "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
            value = None
        elif isinstance(value, (list, tuple, dict)):
            value = without_nonfinite(value)
        finite_fields[name] = value
    finite_fields["nonfinite"] = nonfinite
    return finite_fields


def trusted(model: type[M], fields: Mapping[str, Any]) -> M:
    """Makes a model of values whose types are known, without a look at them.

    All share one set of the names that are set, which takes more memory than all else of a small
    model; a service keeps tens of thousands of them.
    """
    return model.model_construct(_names(model), **fields)


@functools.cache
def _names(model: type[BaseModel]) -> set[str]:
    return set(model.model_fields)


def stored_fields(model: BaseModel, excluded: Iterable[str] = ()) -> dict[str, Any]:
    """The fields of a model for a table, which can hold them as they were before `finite`."""
    fields = model.model_dump(exclude={"nonfinite", *excluded})
    nonfinite: Mapping[str, str] = getattr(model, "nonfinite", {})
    return fields | {name: float(text) for name, text in nonfinite.items() if name in fields}
