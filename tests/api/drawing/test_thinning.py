"""Parts of curves and spectra."""

from __future__ import annotations

import math
from typing import Any

import pytest

from api.drawing import thinning


def rows_of(*values: float | None) -> list[dict[str, Any]]:
    return [{"iteration": 10 * k, "gap": value} for k, value in enumerate(values)]


def test_peaks_stay() -> None:
    rows = rows_of(1, 9, 2, -5, None, math.nan, 3, math.inf)
    first, second = thinning.buckets(rows, ["gap"], 2)
    assert (first.from_iteration, first.to_iteration, first.n) == (0, 30, 4)
    assert first.values["gap"].model_dump() == {"min": -5, "max": 9, "last": -5, "not_finite": 0}
    assert second.values["gap"].model_dump() == {"min": 3, "max": 3, "last": 3, "not_finite": 2}


@pytest.mark.parametrize("n", [1, 2, 7, 100])
@pytest.mark.parametrize("points", [1, 3, 50, 1000])
def test_every_row_is_in_one_bucket(n: int, points: int) -> None:
    parts = thinning.buckets(rows_of(*map(float, range(n))), ["gap"], points)
    assert len(parts) <= min(n, points)
    assert sum(part.n for part in parts) == n
    assert parts[0].from_iteration == 0
    assert parts[-1].to_iteration == 10 * (n - 1)


def test_an_empty_curve_has_no_bucket() -> None:
    assert thinning.buckets([], ["gap"], 5) == []


def test_indices_have_both_ends() -> None:
    assert thinning.indices(5, 8) == [0, 1, 2, 3, 4]
    assert thinning.indices(512, 3) == [0, 256, 511]
    spread = thinning.indices(512, 128)
    assert (spread[0], spread[-1], len(set(spread))) == (0, 511, 128)
