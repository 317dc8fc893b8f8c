"""PED-ANOVA: which parameters a search's best trials have in common. Standard library only.

Watanabe, Bansal and Hutter, IJCAI 2023 (arXiv 2304.10255); parameters that only some trials have
as in Algorithm 1 of arXiv 2601.20800. Grids, bandwidths and priors are those of Optuna 5's
evaluator, whose values the tests ask for.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Cells of a numerical parameter.
CELLS = 50
# Numbers of which there are fewer different ones are choices.
FEWEST_CELLS = 6
# Numbers further apart than by this factor, as batch sizes and rates, are on a logarithmic axis.
LEAST_LOG_RATIO = 100
# With fewer trials an importance is noise.
LEAST_TRIALS = 10
# The best share of all trials that is compared with all, but never fewer trials than these.
TARGET_SHARE, LEAST_TARGETS = 0.1, 5
# Draws of the trials with replacement: so many, or as few as take no longer than a second.
RESAMPLES, LEAST_RESAMPLES, MOST_DRAWS = 200, 40, 400_000
# Quantiles of the shares over resamples that an interval ends at.
LOW, HIGH = 0.05, 0.95
# As in Optuna: 90 % of a kernel lie in one cell at least; no cell has a density of zero.
_LEAST_WIDTH = 0.5 / 1.64
_LEAST_DENSITY = 1e-12
# A regime of a parameter, where it is there or where it is not, with fewer trials is left out.
_LEAST_IN_REGIME = 2

Parameters = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """The values of a parameter as cells: `choices`, or with none equal steps from `low` to
    `high`, of the logarithm if it is `log`."""

    choices: Sequence[Any] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False

    @property
    def size(self) -> int:
        return len(self.choices) or CELLS

    def cell(self, value: Any) -> int:
        """The cell of a value; the lower one for a value between two."""
        if self.choices:
            return list(self.choices).index(value)
        return min(max(math.ceil(self.share(value) * (CELLS - 1) - 0.5), 0), CELLS - 1)

    def share(self, value: float) -> float:
        """The place of a number between the ends, 0 to 1."""
        low, high, place = (
            map(math.log, (self.low, self.high, value))
            if self.log
            else (self.low, self.high, value)
        )
        return (place - low) / (high - low)

    def value(self, share: float) -> float:
        """The number at a place between the ends."""
        if self.log:
            return self.low * (self.high / self.low) ** share
        return self.low + share * (self.high - self.low)


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """The share of a parameter, 0 to 1, and the interval of it over resamples of the trials;
    `trials` are those that have the parameter."""

    name: str
    share: float
    low: float
    high: float
    trials: int


def axis_of(values: Sequence[Any]) -> Axis:
    """The axis that these values of a parameter are on: steps for many numbers, else choices."""
    distinct = list(dict.fromkeys(values))
    if not all(is_number(value) for value in distinct):
        return Axis(choices=sorted(distinct, key=str))
    if len(distinct) < FEWEST_CELLS:
        return Axis(choices=sorted(distinct))
    low, high = min(distinct), max(distinct)
    return Axis(low=low, high=high, log=low > 0 and high / low >= LEAST_LOG_RATIO)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def target_share(trials: int) -> float:
    """The share of so many trials whose common parameters count."""
    return max(TARGET_SHARE, min(0.5, LEAST_TARGETS / trials))


def importances(
    trials: Sequence[Parameters], objectives: Sequence[float], axes: Mapping[str, Axis]
) -> list[Importance]:
    """The importances of the parameters that have an axis, highest first.

    `objectives` are finite and lower is better; a parameter that a trial lacks is in none of its
    parameters. The intervals are over draws of the trials with replacement, the same ones for
    the same trials. Raises ValueError for fewer than LEAST_TRIALS.
    """
    n = len(trials)
    if n < LEAST_TRIALS:
        raise ValueError(f"{n} trials are too few for importances: {LEAST_TRIALS} are needed")
    cells = {
        name: [axis.cell(trial[name]) if name in trial else None for trial in trials]
        for name, axis in axes.items()
    }
    shares = _shares(range(n), objectives, cells, axes)
    draw = random.Random(0)
    n_resamples = max(LEAST_RESAMPLES, min(RESAMPLES, MOST_DRAWS // n))
    resampled = [
        _shares(draw.choices(range(n), k=n), objectives, cells, axes) for _ in range(n_resamples)
    ]
    results = []
    for name, share in shares.items():
        shares_of_draws = sorted(each[name] for each in resampled)
        low, high = (
            shares_of_draws[round(quantile * (n_resamples - 1))] for quantile in (LOW, HIGH)
        )
        has_it = sum(cell is not None for cell in cells[name])
        results.append(Importance(name=name, share=share, low=low, high=high, trials=has_it))
    return sorted(results, key=lambda each: -each.share)


def _shares(
    places: Sequence[int],
    objectives: Sequence[float],
    cells: Mapping[str, Sequence[int | None]],
    axes: Mapping[str, Axis],
) -> dict[str, float]:
    """Importances that add up to 1; equal ones if none differs from 0."""
    raw = raw_importances(places, objectives, cells, axes)
    total = math.fsum(raw.values())
    if total == 0:
        return dict.fromkeys(raw, 1 / max(1, len(raw)))
    return {name: value / total for name, value in raw.items()}


def raw_importances(
    places: Sequence[int],
    objectives: Sequence[float],
    cells: Mapping[str, Sequence[int | None]],
    axes: Mapping[str, Axis],
) -> dict[str, float]:
    """PED-ANOVA of the trials at these `places`, repeated ones as often as they are there.

    Of each parameter the sum over its regimes of alpha^2/beta times Pearson's divergence of the
    best trials' density from that of all, where alpha and beta are the regime's shares of the
    best and of all trials; all of it times the squared share of the best trials. The regime
    without the parameter adds nothing.
    """
    ordered = sorted(objectives[k] for k in places)
    worst = ordered[math.ceil(target_share(len(places)) * len(places)) - 1]
    best = [k for k in places if objectives[k] <= worst]
    scale = (len(best) / len(places)) ** 2
    raw = {}
    for name, axis in axes.items():
        all_counts = _counts(cells[name], places, axis.size)
        best_counts = _counts(cells[name], best, axis.size)
        n_all, n_best = sum(all_counts), sum(best_counts)
        raw[name] = 0.0
        if axis.size > 1 and n_best > 0 and n_all >= _LEAST_IN_REGIME:
            weight = (n_best / len(best)) ** 2 / (n_all / len(places))
            divergence = _divergence(_density(best_counts, axis), _density(all_counts, axis))
            raw[name] = scale * weight * divergence
    return raw


def _counts(cells: Sequence[int | None], places: Sequence[int], size: int) -> list[int]:
    counts = [0] * size
    for k in places:
        if (cell := cells[k]) is not None:
            counts[cell] += 1
    return counts


def _divergence(best: Sequence[float], everything: Sequence[float]) -> float:
    """Pearson's divergence of two densities over the same cells."""
    return math.fsum((b / a - 1) ** 2 * a for b, a in zip(best, everything, strict=True))


def _density(counts: Sequence[int], axis: Axis) -> list[float]:
    """The Parzen estimate over the cells: a kernel for each cell with trials, and a prior."""
    kernels = _choice_kernels(counts) if axis.choices else _step_kernels(counts)
    total = sum(counts) + 1
    density = [_LEAST_DENSITY] * len(counts)
    for weight, kernel in kernels:
        for cell, value in enumerate(kernel):
            density[cell] += weight / total * value
    return density


def _choice_kernels(counts: Sequence[int]) -> list[tuple[int, list[float]]]:
    filled = [cell for cell, count in enumerate(counts) if count]
    prior = 1 / (len(filled) + 1)
    sums = prior * len(counts) + 1
    kernels = [
        (counts[cell], [(prior + (choice == cell)) / sums for choice in range(len(counts))])
        for cell in filled
    ]
    return [*kernels, (1, [1 / len(counts)] * len(counts))]


def _step_kernels(counts: Sequence[int]) -> list[tuple[int, list[float]]]:
    """Normal kernels cut off at the ends, their width by Scott's rule."""
    size, total = len(counts), sum(counts)
    mean = sum(cell * count for cell, count in enumerate(counts)) / total
    squares = sum(count * (cell - mean) ** 2 for cell, count in enumerate(counts))
    spread = math.sqrt(squares / max(1, total - 1))
    width = 1.059 * min(_interquartile(counts) / 1.34, spread) * total**-0.2
    kernels = [
        (count, _normal_cells(cell, max(width, _LEAST_WIDTH), size))
        for cell, count in enumerate(counts)
        if count
    ]
    return [*kernels, (1, _normal_cells((size - 1) / 2, size, size))]


def _interquartile(counts: Sequence[int]) -> int:
    filled = [(cell, count) for cell, count in enumerate(counts) if count]
    total, cumulative = sum(counts), 0
    low = high = None
    for cell, count in filled:
        cumulative += count
        if low is None and cumulative >= total // 4:
            low = cell
        if high is None and cumulative > total * 3 // 4:
            high = cell
    return (filled[-1][0] if high is None else high) - (low or 0)


def _normal_cells(middle: float, width: float, size: int) -> list[float]:
    """The share of a normal distribution in each cell, of what lies in all of them."""
    scale = width * math.sqrt(2)
    edges = [math.erf((edge - 0.5 - middle) / scale) for edge in range(size + 1)]
    total = edges[-1] - edges[0]
    return [(edges[cell + 1] - edges[cell]) / total for cell in range(size)]
