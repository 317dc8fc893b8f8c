"""Spectra as heat maps."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest

from api.drawing.spectra import HEAT_ROWS, heat


@dataclass(frozen=True)
class Row:
    iteration: int
    singular_values: list[float | None]


@pytest.mark.parametrize("n", [1, 2, 3, 16, 95, 96, 97, 511, 512])
def test_a_spectrum_is_interpolated_as_numpy_does(n: int) -> None:
    values: list[float | None] = [2.0 * math.exp(-3 * k / n) for k in range(n)]
    drawn = heat([Row(0, values), Row(75, [1.0] * (n + 1))])
    grid = np.linspace(0, 1, min(HEAT_ROWS, n + 1))
    shares = np.interp(grid, np.linspace(0, 1, n), np.array(values, dtype=float) / 2)
    assert [row[0] for row in drawn["z"]] == pytest.approx(shares, abs=6e-5)
    assert {row[1] for row in drawn["z"]} == {1.0}
    assert drawn["y"] == pytest.approx(grid, abs=6e-5)
    assert drawn["x"] == [0, 75]


def test_what_is_not_finite_is_missing_with_its_neighbours_alone() -> None:
    values = [1.0, 0.8, None, 0.4, 0.2]
    (column,) = zip(*heat([Row(0, values)])["z"], strict=True)
    assert [math.isnan(value) for value in column] == [False, False, True, False, False]
    column, _ = zip(*heat([Row(0, values), Row(1, [1.0] * 9)])["z"], strict=True)
    assert [k for k, value in enumerate(column) if math.isnan(value)] == [3, 4, 5]


@pytest.mark.parametrize("values", [[], [None, 0.5], [0.0, 0.0]])
def test_a_spectrum_without_a_largest_value_has_no_shares(values: list[float | None]) -> None:
    drawn = heat([Row(0, values), Row(75, [1.0, 0.5])])
    assert [[math.isnan(value) for value in row] for row in drawn["z"]] == [[True, False]] * 2
