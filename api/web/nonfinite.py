"""Models whose numbers may be NaN or infinite: null in JSON, and named in `nonfinite`."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field

M = TypeVar("M", bound=BaseModel)
Nonfinite = Annotated[
    dict[str, Literal["nan", "inf", "-inf"]],
    Field(description="fields that are null because they were not finite"),
]


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
