"""Final scores of methods, and their paired differences to controls. Standard library only.

For trials that all ran to one last iteration, whatever collapsed on the way: Table II compares
the best before a collapse instead (`sweep.paper.table2`).
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sweep.paper.scores import sample_sd, score_name, t_interval
from sweep.paper.table2 import BASELINES
from sweep.store.vocabulary import FINISHED, SIGNALS, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Method minus control by seed: below 0 the method is better. `interval` is the 95 % paired
    t interval of the mean, None for fewer than three seeds."""

    by_seed: Mapping[int, float]
    mean: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalScores:
    """A method on a setting. `planned` trials, of which those in `by_seed` have finished with a
    final distance (lower is better); `ema` is the mean distance of the averaged generator, `modes`
    the mean number of modes; `signals` counts the finished trials that showed each."""

    setting: str
    method: str
    score: str
    planned: int
    by_seed: Mapping[int, float]
    mean: float | None
    sd: float | None
    ema: float | None
    modes: float | None
    signals: Mapping[str, int]
    differences: Mapping[str, Difference]


def final_scores(rows: Sequence[Row]) -> list[FinalScores]:
    """Final scores by setting and method, in the order of the rows of `trials`.

    Raises ValueError if a seed of a method stands twice on one setting: two configurations of one
    method are two methods.
    """
    cells: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        cells.setdefault((row["setting"], row["method"]), []).append(row)
    for (setting, method), cell in cells.items():
        if len({row["seed"] for row in cell}) < len(cell):
            raise ValueError(f"{method} has a seed twice on {setting}: two configurations of it")
    by_seed = {key: _finals(cell) for key, cell in cells.items()}
    return [
        _summary(cell, by_seed[setting, method], _controls(by_seed, setting, method))
        for (setting, method), cell in cells.items()
    ]


def _finals(cell: Sequence[Row]) -> dict[int, float]:
    finals = {row["seed"]: row[f"final_{score_name(row)}"] for row in _finished(cell)}
    return {seed: value for seed, value in finals.items() if value is not None}


def _finished(cell: Sequence[Row]) -> list[Row]:
    return [row for row in cell if row["status"] in FINISHED]


def _controls(
    by_seed: Mapping[tuple[str, str], Mapping[int, float]], setting: str, method: str
) -> dict[str, Mapping[int, float]]:
    return {
        control: by_seed[setting, control]
        for control in BASELINES
        if control != method and (setting, control) in by_seed
    }


def _summary(
    cell: Sequence[Row], finals: Mapping[int, float], controls: Mapping[str, Mapping[int, float]]
) -> FinalScores:
    finished = _finished(cell)
    values = list(finals.values())
    score = score_name(cell[0])
    return FinalScores(
        setting=cell[0]["setting"],
        method=cell[0]["method"],
        score=score,
        planned=len(cell),
        by_seed=finals,
        mean=statistics.fmean(values) if values else None,
        sd=sample_sd(values) if len(values) > 1 else None,
        ema=_mean(finished, f"final_ema_{score}"),
        modes=_mean(finished, "final_modes"),
        signals={name: sum(row[name] is not None for row in finished) for name in SIGNALS},
        differences={
            control: difference
            for control, theirs in controls.items()
            if (difference := paired_difference(finals, theirs)) is not None
        },
    )


def _mean(rows: Sequence[Row], column: str) -> float | None:
    values = [row[column] for row in rows if row.get(column) is not None]
    return statistics.fmean(values) if values else None


def paired_difference(
    method: Mapping[int, float], control: Mapping[int, float]
) -> Difference | None:
    """The difference over the seeds that both have; None without one."""
    by_seed = {seed: method[seed] - control[seed] for seed in method if seed in control}
    if not by_seed:
        return None
    values = list(by_seed.values())
    return Difference(
        by_seed=by_seed,
        mean=statistics.fmean(values),
        interval=t_interval(values) if len(values) > 2 else None,
    )
