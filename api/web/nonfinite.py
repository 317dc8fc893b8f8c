"""NaN and infinity are results, and JSON has none: null, and beside it what it was."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

Nonfinite = Annotated[
    dict[str, Literal["nan", "inf", "-inf"]],
    Field(description="fields that are null because they were not finite"),
]


def without_nonfinite(value: Any) -> Any:
    """The same value with null for every number in it that is not finite, at any depth."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: without_nonfinite(item) for key, item in value.items()}
        case list() | tuple():
            return [without_nonfinite(item) for item in value]
    return value


def finite(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with null for what is not finite, and `nonfinite` to say what it was."""
    shown, odd = {}, {}
    for name, value in fields.items():
        if isinstance(value, float) and not math.isfinite(value):
            odd[name] = "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
            value = None
        elif isinstance(value, (list, tuple, dict)):
            value = without_nonfinite(value)
        shown[name] = value
    shown["nonfinite"] = odd
    return shown
