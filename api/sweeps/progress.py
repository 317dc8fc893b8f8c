"""Progress of a sweep, from its plan, its trials and what its driver says of itself."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from api.notes.queries import SWEEP, notes_on, tags_of
from api.reading.memo import memoise_by_snapshot
from api.reading.plans import _state, hours, plan_records
from api.reading.snapshot import Driver, Row, Snapshot
from api.sweeps.models import Best, Progress, RungStops, Sweep, SweepDetail, TimeLeft
from api.web.expense import expense_of
from api.web.words import duration
from sweep.paper.scores import is_higher_better, score_name, score_title
from sweep.report.expense import NO_RATES, GpuRates
from sweep.report.states import (
    finite_eta,
    iterations_done,
    share_done,
    status_counts,
    stopped_at_rungs,
)
from sweep.store.device_hours import DeviceHours, device_hours
from sweep.store.vocabulary import FINISHED

# Fewest measured trials from which a spread is estimated.
ENOUGH = 3
UNFINISHED = ("planned", "running")


def sweep(snapshot: Snapshot, name: str, now: datetime, rates: GpuRates = NO_RATES) -> Sweep:
    """Raises NotFound."""
    tally = _tally(snapshot, name)
    driver = snapshot.drivers.get(name)
    state = _state(snapshot, name, now)
    eta = finite_eta(driver.eta_seconds, state) if driver else None
    remaining = tally["time_left"] if state == "running" else None
    return Sweep.model_validate(
        {
            **tally,
            "name": name,
            "state": state,
            "tags": tags_of(snapshot, SWEEP, name),
            "sentence": _sentence(state, tally, driver, _time_left_text(remaining, eta)),
            "eta_seconds": eta,
            "time_left": remaining,
            "expense": expense_of(DeviceHours(tally["gpu_hours"], tally["cpu_hours"]), rates),
            **{
                field: getattr(driver, field) if driver else None
                for field in ("started_at", "heartbeat", "host", "attempt", "command", "slots")
            },
        }
    )


# What follows from the store alone is counted once for each snapshot.
@memoise_by_snapshot(size=32)
def _tally(snapshot: Snapshot, name: str) -> Mapping[str, Any]:
    records = plan_records(snapshot, name)
    driver = snapshot.drivers.get(name)
    times = [record["updated_at"] for record in records if record["updated_at"]]
    of_devices = device_hours(records)
    return {
        "counts": status_counts(record["status"] for record in records),
        "progress": _progress(records),
        "time_left": time_left(
            snapshot.plans.get(name, ()), snapshot.records, driver.slots if driver else None
        ),
        "best": _best(records),
        "rungs": [
            RungStops(rung=number, budget=budget, trials=count)
            for number, budget, count in stopped_at_rungs(records)
        ],
        "compute_hours": hours(records),
        "gpu_hours": of_devices.gpu,
        "cpu_hours": of_devices.cpu,
        "updated_at": max(times, default=None),
    }


def _best(records: Iterable[Row]) -> list[Best]:
    best: dict[tuple[str, str], Row] = {}
    for record in records:
        key = record["dataset"], score_title(record)
        value = record[f"best_{score_name(record)}"]
        if value is None or not math.isfinite(value):
            continue
        if key not in best or _cost(record) < _cost(best[key]):
            best[key] = record
    return [
        Best.model_validate(
            {
                **{name: record[name] for name in Best.model_fields if name in record},
                "score": record.get("score") or score_name(record),
                "value": record[f"best_{score_name(record)}"],
                "iteration": record["best_iteration"],
            }
        )
        for _, record in sorted(best.items())
    ]


def _cost(record: Row) -> float:
    """The best score as a cost: negative where higher is better."""
    value = record[f"best_{score_name(record)}"]
    return -value if is_higher_better(record) else value


def sweep_detail(
    snapshot: Snapshot, name: str, now: datetime, rates: GpuRates = NO_RATES
) -> SweepDetail:
    """Raises NotFound."""
    summary = sweep(snapshot, name, now, rates)
    trials = [record["trial_id"] for record in plan_records(snapshot, name)]
    notes = notes_on(snapshot, SWEEP, name)
    return SweepDetail(**summary.model_dump(), trials=trials, notes=notes, snapshot=snapshot.id)


def _progress(records: Sequence[Row]) -> Progress:
    return Progress(
        trials=len(records),
        trials_ended=sum(record["status"] in FINISHED for record in records),
        iterations=sum(record["iterations"] for record in records),
        iterations_done=sum(map(iterations_done, records)),
        share=share_done(records),
    )


def _time_left_text(remaining: TimeLeft | None, eta: float | None) -> str:
    if remaining is not None:
        shortest, longest = duration(remaining.p10), duration(remaining.p90)
        return f"about {shortest if shortest == longest else f'{shortest} to {longest}'} left"
    return "time left not known yet" if eta is None else f"about {duration(eta)} left"


def _sentence(state: str, tally: Mapping[str, Any], driver: Driver | None, estimate: str) -> str:
    counts = ", ".join(f"{count} {status}" for status, count in tally["counts"].items())
    trials = tally["progress"].trials
    counts = f"{trials} trials: {counts}" if trials else "No trials in its plan"
    moment = f"{driver.heartbeat:%Y-%m-%d %H:%M:%S} UTC" if driver else ""
    return {
        "planned": f"Not started. {counts}.",
        "running": f"Running: {estimate}. {counts}.",
        "stalled": f"Stalled: its driver has been silent since {moment}. {counts}. "
        "The same command goes on from here.",
        "interrupted": f"Interrupted at {moment}. {counts}. The same command goes on from here.",
        "lost": f"Its cluster was lost at {moment}. {counts}. The same command goes on from here.",
        "failed": f"Ended with failed trials at {moment}. {counts}. "
        "The same command tries them again.",
        "finished": f"Finished at {moment}. {counts}.",
        "unknown": f"No driver has said how it stands. {counts}.",
    }[state]


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
    remaining = [(row, _operations_left(row, records[row["trial_id"]])) for row in plan]
    remaining = [(row, operations) for row, operations in remaining if operations > 0]
    if len(paces) < ENOUGH or not remaining or not slots:
        return None
    rates: dict[tuple[str, ...], list[float]] = {}
    for pace in paces:
        for kind in _kinds(pace.method, pace.setting):
            rates.setdefault(kind, []).append(pace.rate)
    expected = {k: statistics.median(v) for k, v in rates.items() if len(v) >= ENOUGH}
    spread = [pace.rate / _expected(pace.method, pace.setting, expected) for pace in paces]
    tenths = statistics.quantiles(spread, n=10, method="inclusive")
    seconds = [n * _expected(row["method"], row["setting"], expected) for row, n in remaining]
    # The last trials run side by side: never less than the longest of them.
    base = max(sum(seconds) / slots, max(seconds))
    p10, p50, p90 = (base * tenths[decile] for decile in (0, 4, 8))
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
    if record["status"] not in UNFINISHED:
        return 0.0
    share = 1 - (record["iteration"] or 0) / record["iterations"]
    return (row["operations"] or 0) * max(share, 0)
