"""Writes NaN and infinity in JSON, which has neither: as null, and beside it their name.

A leaf: the standard library only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

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
