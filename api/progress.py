"""How a sweep stands: counted from its plan and its trials, and what its driver says of itself."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from api.eta import time_left
from api.reading.plans import _state, hours, on_gpu, plan_records
from api.reading.snapshot import Driver, Row, Snapshot
from api.sweep_models import Best, Progress, Sweep, SweepDetail, TimeLeft
from api.web.words import duration
from sweep.paper.scores import score_name
from sweep.store.vocabulary import STATUSES

# One that was stopped goes on with the next start of its sweep.
ENDED = ("completed", "collapsed")


def sweep(snapshot: Snapshot, name: str, now: datetime) -> Sweep:
    """Raises NotFound."""
    tally = _tally(snapshot, name)
    driver = snapshot.drivers.get(name)
    state = _state(snapshot, name, now)
    eta = driver.eta_seconds if driver and state == "running" else None
    eta = eta if eta is not None and math.isfinite(eta) else None
    left = tally["time_left"] if state == "running" else None
    return Sweep.model_validate(
        {
            **tally,
            "name": name,
            "state": state,
            "sentence": _sentence(state, tally, driver, _left(left, eta)),
            "eta_seconds": eta,
            "time_left": left,
            **{
                field: getattr(driver, field) if driver else None
                for field in ("started_at", "heartbeat", "host", "attempt", "command", "slots")
            },
        }
    )


# What follows from the store alone is counted once for each snapshot.
@functools.lru_cache(maxsize=32)
def _tally(snapshot: Snapshot, name: str) -> Mapping[str, Any]:
    records = plan_records(snapshot, name)
    driver = snapshot.drivers.get(name)
    counted = Counter(record["status"] for record in records)
    times = [record["updated_at"] for record in records if record["updated_at"]]
    return {
        "counts": {status: counted[status] for status in STATUSES if counted[status]},
        "progress": _progress(records),
        "time_left": time_left(
            snapshot.plans.get(name, ()), snapshot.records, driver.slots if driver else None
        ),
        "best": _best(records),
        "compute_hours": hours(records),
        "gpu_hours": hours(record for record in records if on_gpu(record)),
        "updated_at": max(times, default=None),
    }


def _best(records: Iterable[Row]) -> list[Best]:
    lowest: dict[str, Row] = {}
    for record in records:
        value = record[f"best_{score_name(record)}"]
        held = lowest.get(record["dataset"])
        if value is None or not math.isfinite(value):
            continue
        if held is None or value < held[f"best_{score_name(held)}"]:
            lowest[record["dataset"]] = record
    return [
        Best.model_validate(
            {
                **{name: record[name] for name in Best.model_fields if name in record},
                "score": score_name(record),
                "value": record[f"best_{score_name(record)}"],
                "iteration": record["best_iteration"],
            }
        )
        for _, record in sorted(lowest.items())
    ]


def sweep_detail(snapshot: Snapshot, name: str, now: datetime) -> SweepDetail:
    """Raises NotFound."""
    summary = sweep(snapshot, name, now)
    trials = [record["trial_id"] for record in plan_records(snapshot, name)]
    return SweepDetail(**summary.model_dump(), trials=trials, snapshot=snapshot.id)


def _progress(records: Sequence[Row]) -> Progress:
    planned = sum(record["iterations"] for record in records)
    ended = [record for record in records if record["status"] in ENDED]
    going = [record for record in records if record["status"] not in ENDED]
    done = sum(record["iterations"] for record in ended)
    done += sum(min(record["iteration"] or 0, record["iterations"]) for record in going)
    return Progress(
        trials=len(records),
        trials_ended=len(ended),
        iterations=planned,
        iterations_done=done,
        share=done / planned if planned else 0.0,
    )


def _left(left: TimeLeft | None, eta: float | None) -> str:
    if left is not None:
        shortest, longest = duration(left.p10), duration(left.p90)
        return f"about {shortest if shortest == longest else f'{shortest} to {longest}'} left"
    return "time left not known yet" if eta is None else f"about {duration(eta)} left"


def _sentence(state: str, tally: Mapping[str, Any], driver: Driver | None, left: str) -> str:
    told = ", ".join(f"{count} {status}" for status, count in tally["counts"].items())
    n = tally["progress"].trials
    told = f"{n} trials: {told}" if n else "No trials in its plan"
    since = f"{driver.heartbeat:%Y-%m-%d %H:%M:%S} UTC" if driver else ""
    return {
        "planned": f"Not started. {told}.",
        "running": f"Running: {left}. {told}.",
        "stalled": f"Stalled: its driver has been silent since {since}. {told}. "
        "The same command goes on from here.",
        "interrupted": f"Interrupted at {since}. {told}. The same command goes on from here.",
        "failed": f"Ended with failed trials at {since}. {told}. "
        "The same command tries them again.",
        "finished": f"Finished at {since}. {told}.",
        "unknown": f"No driver has said how it stands. {told}.",
    }[state]
