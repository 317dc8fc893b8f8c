"""A histogram of a layer's spectrum, for trackers that show histograms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy

BINS = 30


def histogram(values: Sequence[float]) -> tuple[numpy.ndarray, numpy.ndarray] | None:
    """Counts and edges of BINS bins of equal width; None if no value is finite.

    A value that is not finite is in no bin: `not_finite` counts it.
    """
    import numpy

    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return None
    return numpy.histogram(finite, bins=BINS)


def not_finite(values: Sequence[float]) -> int:
    """Counts the values that are NaN or infinite."""
    return sum(not math.isfinite(value) for value in values)
