"""Detectors of collapse: the level of alarm of each over a run. Standard library only.

A level is higher the more it speaks for a collapse. An alarm is raised at the last of PATIENCE
evaluations in a row whose levels reach the threshold: that is when somebody who watches knows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from sweep.store.vocabulary import Row

PATIENCE = 3
# Share of the planned iterations before which nothing counts: every gap begins at 0.
BURN_IN = 0.1
# Of the 3x3 layers the second that fell most decides, as in the verdict on a spectrum.
LAYERS_FELL = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """`levels` gives one level per evaluation, None where what it needs is not stored.

    `circular` marks one that looks at what the label is made of.
    """

    name: str
    says: str
    needs: str
    levels: Callable[[Sequence[Row], Sequence[int], int | None], list[float | None]]
    circular: bool = False


def _sigma(rows: Sequence[Row], layers: Sequence[int], _: int | None) -> list[float | None]:
    shares = _shares(rows, layers, "sigma2_ratio")
    place = LAYERS_FELL - 1
    return [1 - sorted(s)[place] if s is not None and len(s) > place else None for s in shares]


def _gap(rows: Sequence[Row], _: Sequence[int], __: int | None) -> list[float | None]:
    return [None if row["gap"] is None else -abs(row["gap"]) for row in rows]


def _rank(rows: Sequence[Row], layers: Sequence[int], _: int | None) -> list[float | None]:
    shares = _shares(rows, layers, "stable_rank")
    return [1 - sum(s) / len(s) if s else None for s in shares]


def _gradient(rows: Sequence[Row], _: Sequence[int], __: int | None) -> list[float | None]:
    norms = [row["d_gradient"] for row in rows]
    highest = accumulate((n if _is_number(n) else 0.0 for n in norms), max)
    return [
        1 - norm / top if _is_number(norm) and top else None
        for norm, top in zip(norms, highest, strict=True)
    ]


def _coverage(rows: Sequence[Row], _: Sequence[int], modes: int | None) -> list[float | None]:
    if modes is not None:
        return [None if row["modes"] is None else 1 - row["modes"] / modes for row in rows]
    return [None if row["recall"] is None else 1 - row["recall"] for row in rows]


DETECTORS = (
    Detector(
        name="sigma rule", needs="sigma2_ratio", levels=_sigma,
        says="how far sigma_2/sigma_1 has fallen from its first value, of the 3x3 layers the "
        "second that fell most; the paper's spectral collapse",
    ),
    Detector(
        name="logit gap", needs="gap", levels=_gap,
        says="how close D's mean outputs on real and on generated images are",
    ),
    Detector(
        name="stable rank", needs="stable_rank", levels=_rank,
        says="how far |W|_F^2/sigma_1^2 has fallen from its first value, mean of the 3x3 layers",
    ),
    Detector(
        name="gradient norm", needs="d_gradient", levels=_gradient,
        says="how far |dD/dx| at generated images has fallen from its highest so far; D's part of "
        "the early stopping of TMLR 2025 (Evolution of Discriminator and Generator Gradients), "
        "which takes G's steepness too",
    ),
    Detector(
        name="coverage", needs="modes or recall", levels=_coverage, circular=True,
        says="share of the modes that is not drawn, or of real images outside of the samples "
        "where modes are not counted",
    ),
)  # fmt: skip


def _shares(rows: Sequence[Row], layers: Sequence[int], column: str) -> list[list[float] | None]:
    """Per row the layers' values as shares of their first ones; None where one has no number."""
    first = next((row[column] for row in rows if row[column]), None)
    shares: list[list[float] | None] = []
    for row in rows:
        values = row[column]
        if not first or not values or any(k >= min(len(values), len(first)) for k in layers):
            shares.append(None)
            continue
        pairs = [(values[k], first[k]) for k in layers]
        sound = all(_is_number(v) and _is_number(f) and f for v, f in pairs)
        shares.append([v / f for v, f in pairs] if sound else None)
    return shares


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def levels_of(
    rows: Sequence[Row], layers: Sequence[int], modes: int | None
) -> dict[str, list[float | None]]:
    """Levels of each detector that has any, by its name, one per row of `evaluations`.

    `layers` are those that vote on a spectrum, `modes` how many there are to be drawn, None where
    they are not counted.
    """
    results = {}
    for detector in DETECTORS:
        levels = detector.levels(rows, layers, modes)
        numbers = [level if _is_number(level) else None for level in levels]
        if any(level is not None for level in numbers):
            results[detector.name] = numbers
    return results


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run that was judged: `onset` is the iteration of its mode collapse, None of a healthy one.

    `alarms[detector]` has the iteration and the height of every alarm that could be raised.
    """

    trial_id: str
    setting: str
    method: str
    seed: int
    iterations: int
    onset: int | None
    alarms: Mapping[str, Sequence[tuple[int, float]]]


def heights(
    iterations: Sequence[int], levels: Sequence[float | None], planned: int
) -> list[tuple[int, float]]:
    """The highest threshold that each evaluation would raise an alarm at: the lowest of the last
    PATIENCE levels. Without one where a level is missing, and before the burn-in."""
    results = []
    for k in range(PATIENCE - 1, len(levels)):
        window = levels[k - PATIENCE + 1 : k + 1]
        begins = iterations[k - PATIENCE + 1]
        numbers = [level for level in window if level is not None]
        if len(numbers) == PATIENCE and begins >= BURN_IN * planned:
            results.append((iterations[k], min(numbers)))
    return results


def alarm_at(run: Run, detector: str, threshold: float) -> int | None:
    """Iteration of the first alarm at the threshold, None without one."""
    return next((at for at, height in run.alarms[detector] if height >= threshold), None)


def highest(run: Run, detector: str, until: float = math.inf) -> float:
    """The highest alarm up to the share `until` of the planned iterations; -inf without one."""
    last = until * max(1, run.iterations)
    return max((h for at, h in run.alarms[detector] if at <= last), default=-math.inf)


def tuned(collapsed: Iterable[float], healthy: Iterable[float]) -> float | None:
    """The threshold with the largest share of hits less share of false alarms.

    In the middle between two heights of the runs; of equally good ones the highest, which raises
    the fewest alarms. None without runs of both kinds.
    """
    hits, false = sorted(collapsed), sorted(healthy)
    if not hits or not false:
        return None
    ends = sorted({height for height in (*hits, *false) if math.isfinite(height)})
    if not ends:
        return None
    cuts = [(low + high) / 2 for low, high in pairwise(ends)]

    def merit(cut: float) -> tuple[float, float]:
        hit = sum(height >= cut for height in hits) / len(hits)
        return hit - sum(height >= cut for height in false) / len(false), cut

    return max((ends[0], *cuts), key=merit)
