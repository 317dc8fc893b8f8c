from __future__ import annotations

import json
import math
from datetime import UTC, datetime

from sweep.store.nonfinite import finite, without_nonfinite


def test_finite_names_what_is_null() -> None:
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    row = {"a": math.nan, "b": -math.inf, "c": 1.5, "d": None, "e": [1.0, math.inf], "f": moment}
    assert finite(row) == {
        "a": None, "b": None, "c": 1.5, "d": None, "e": [1.0, None], "f": moment,
        "nonfinite": {"a": "nan", "b": "-inf"},
    }  # fmt: skip


def test_any_depth_is_json() -> None:
    nested = {"a": ({"b": [math.nan, {"c": math.inf}]}, "text", True, 3)}
    expected = {"a": [{"b": [None, {"c": None}]}, "text", True, 3]}
    assert json.loads(json.dumps(without_nonfinite(nested), allow_nan=False)) == expected
