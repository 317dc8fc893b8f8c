"""Costs of a method's trials: time per iteration over SN's, and hours. Standard library only."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from sweep.store.device_hours import device_hours
from sweep.store.vocabulary import FINISHED, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Cost of a method's trials on a setting.

    `time_ratio` is the median over `n` seeds of the wall time per iteration, evaluations included,
    over that of SN's trial of the seed on the same host; None without one. The hours are of all
    trials together: of a whole GPU, or of a thread.
    """

    time_ratio: float | None
    n: int
    gpu_hours: float
    cpu_hours: float


def cost(rows: Sequence[Row], sn_rows: Sequence[Row]) -> Cost:
    """Cost of trials, rows of `trials`, beside that of SN's with the same seeds."""
    of_sn = {row["seed"]: row for row in sn_rows if _time_per_iteration(row) is not None}
    ratios = []
    for row in rows:
        time, twin = _time_per_iteration(row), of_sn.get(row["seed"])
        if time is not None and twin is not None and row.get("host") == twin.get("host"):
            ratios.append(time / (_time_per_iteration(twin) or time))
    hours = device_hours(rows)
    return Cost(
        time_ratio=statistics.median(ratios) if ratios else None,
        n=len(ratios),
        gpu_hours=hours.gpu,
        cpu_hours=hours.cpu,
    )


def _time_per_iteration(row: Row) -> float | None:
    """Seconds; None of a trial that has not ended."""
    seconds, iteration = row.get("seconds"), row.get("iteration")
    if row["status"] not in FINISHED or not seconds or not iteration:
        return None
    return seconds / iteration
