"""When a sweep will be done, as a range: from the spread of the rates that its trials had."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from api.reading.snapshot import Row
from api.sweep_models import TimeLeft

# Below this many measured trials nothing can be said of the spread.
ENOUGH = 3
LEFT = ("planned", "running")


@dataclass(frozen=True, slots=True)
class _Pace:
    """Seconds per multiply-add of one trial."""

    method: str
    setting: str
    rate: float


def time_left(
    plan: Sequence[Row], records: Mapping[str, Row], slots: int | None
) -> TimeLeft | None:
    """The time that the planned and the running trials of a plan still take on `slots` slots.

    A trial is expected to run at the median rate of its own kind (setting and method, else
    method, else all, whichever has three measured trials); the range is that of how far trials
    were from that. An upper bound where trials may yet be stopped on collapse. None until three
    trials have been measured, and when nothing is left.
    """
    paces = [pace for row in plan if (pace := _pace(row, records[row["trial_id"]]))]
    left = [(row, _operations_left(row, records[row["trial_id"]])) for row in plan]
    left = [(row, operations) for row, operations in left if operations > 0]
    if len(paces) < ENOUGH or not left or not slots:
        return None
    rates: dict[tuple[str, ...], list[float]] = {}
    for pace in paces:
        for kind in _kinds(pace.method, pace.setting):
            rates.setdefault(kind, []).append(pace.rate)
    expected = {k: statistics.median(v) for k, v in rates.items() if len(v) >= ENOUGH}
    spread = [pace.rate / _expected(pace.method, pace.setting, expected) for pace in paces]
    tenths = statistics.quantiles(spread, n=10, method="inclusive")
    seconds = [n * _expected(row["method"], row["setting"], expected) for row, n in left]
    # The last trials run side by side: never less than the longest of them.
    base = max(sum(seconds) / slots, max(seconds))
    p10, p50, p90 = (base * tenths[at] for at in (0, 4, 8))
    return TimeLeft(p10=p10, p50=p50, p90=p90, measured=len(paces))


def _kinds(method: str, setting: str) -> list[tuple[str, ...]]:
    return [(method, setting), (method,), ()]


def _expected(method: str, setting: str, expected: Mapping[tuple[str, ...], float]) -> float:
    return next(expected[kind] for kind in _kinds(method, setting) if kind in expected)


def _pace(row: Row, record: Row) -> _Pace | None:
    done = (row["operations"] or 0) * (record["iteration"] or 0) / record["iterations"]
    seconds = record["seconds"] or 0
    if not done > 0 or not seconds > 0:
        return None
    return _Pace(row["method"], row["setting"], seconds / done)


def _operations_left(row: Row, record: Row) -> float:
    if record["status"] not in LEFT:
        return 0.0
    share = 1 - (record["iteration"] or 0) / record["iterations"]
    return (row["operations"] or 0) * max(share, 0)
