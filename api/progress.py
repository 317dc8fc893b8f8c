"""How a sweep stands: counted from its plan and its trials, and what its driver says of itself."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from api.queries import NotFound
from api.snapshot import Driver, Row, Snapshot
from api.sweep_models import Progress, Sweep, SweepDetail
from api.words import duration
from sweep.results import STATUSES

# A driver writes its heartbeat every few seconds; one that is silent for longer is not there.
SILENT = timedelta(seconds=60)

ENDED = ("completed", "collapsed", "stopped")


def sweep_names(snapshot: Snapshot) -> list[str]:
    """Sweeps with a plan or a driver, the last one to be heard of first."""
    names = sorted(snapshot.plans.keys() | snapshot.drivers.keys())
    start = datetime.min.replace(tzinfo=UTC)
    heard = {n: d.heartbeat for n, d in snapshot.drivers.items()}
    return sorted(names, key=lambda name: heard.get(name, start), reverse=True)


def states(snapshot: Snapshot, now: datetime) -> dict[str, str]:
    """The state of every sweep; `stalled` follows from the clock and not from the store."""
    return {name: _state(snapshot, name, now) for name in sweep_names(snapshot)}


def sweep(snapshot: Snapshot, name: str, now: datetime) -> Sweep:
    """Raises NotFound."""
    if name not in snapshot.plans and name not in snapshot.drivers:
        raise NotFound(f"there is no sweep {name!r} in the store")
    records = _records(snapshot, name)
    driver = snapshot.drivers.get(name)
    state = _state(snapshot, name, now)
    counted = Counter(record["status"] for record in records)
    counts = {status: counted[status] for status in STATUSES if counted[status]}
    eta = driver.eta_seconds if driver and state == "running" else None
    eta = eta if eta is not None and math.isfinite(eta) else None
    times = [record["updated_at"] for record in records if record["updated_at"]]
    return Sweep.model_validate(
        {
            "name": name,
            "state": state,
            "sentence": _sentence(state, counts, len(records), driver, eta),
            "counts": counts,
            "progress": _progress(records),
            "eta_seconds": eta,
            "updated_at": max(times, default=None),
            **{
                field: getattr(driver, field) if driver else None
                for field in ("started_at", "heartbeat", "host", "attempt", "command", "slots")
            },
        }
    )


def sweep_detail(snapshot: Snapshot, name: str, now: datetime) -> SweepDetail:
    """Raises NotFound."""
    summary = sweep(snapshot, name, now)
    trials = [record["trial_id"] for record in _records(snapshot, name)]
    return SweepDetail(**summary.model_dump(), trials=trials, snapshot=snapshot.id)


def _records(snapshot: Snapshot, name: str) -> list[Row]:
    return [snapshot.records[row["trial_id"]] for row in snapshot.plans.get(name, ())]


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


def _state(snapshot: Snapshot, name: str, now: datetime) -> str:
    driver = snapshot.drivers.get(name)
    if driver is None:
        begun = any(record["status"] != "planned" for record in _records(snapshot, name))
        return "unknown" if begun else "planned"
    if driver.state == "running" and now - driver.heartbeat > SILENT:
        return "stalled"
    known = ("running", "interrupted", "failed", "finished")
    return driver.state if driver.state in known else "unknown"


def _sentence(
    state: str, counts: dict[str, int], n: int, driver: Driver | None, eta: float | None
) -> str:
    tally = ", ".join(f"{count} {status}" for status, count in counts.items())
    told = f"{n} trials: {tally}" if n else "No trials in its plan"
    since = f"{driver.heartbeat:%Y-%m-%d %H:%M:%S} UTC" if driver else ""
    left = "time left not known yet" if eta is None else f"about {duration(eta)} left"
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
