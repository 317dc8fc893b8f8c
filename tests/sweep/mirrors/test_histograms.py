"""Histograms against counting by hand."""

from __future__ import annotations

import math

from sweep.mirrors.histograms import BINS, histogram, not_finite


def test_every_finite_value_is_in_one_bin() -> None:
    values = [0.1, 0.1, 0.2, 0.55, 1.0, math.nan, math.inf, -math.inf]
    bins = histogram(values)
    assert bins is not None
    counts, edges = bins
    assert len(counts) == len(edges) - 1 == BINS
    for count, low, high in zip(counts, edges, edges[1:], strict=False):
        last = high == edges[-1]
        assert count == sum(low <= v < high or (last and v == high) for v in values)
    assert counts.sum() == 5
    assert not_finite(values) == 3


def test_nothing_finite_is_no_histogram() -> None:
    assert histogram([math.nan, math.inf]) is None
    assert histogram([]) is None
