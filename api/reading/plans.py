"""Plans and heartbeats of the sweeps in a snapshot."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from api.reading.snapshot import NotFound, Row, Snapshot

# A driver writes its heartbeat every few seconds; one that is silent for longer is not there.
SILENT = timedelta(seconds=60)


def sweep_names(snapshot: Snapshot) -> list[str]:
    """Sweeps with a plan or a driver, the last one to be heard of first."""
    names = sorted(snapshot.plans.keys() | snapshot.drivers.keys())
    start = datetime.min.replace(tzinfo=UTC)
    heard = {n: d.heartbeat for n, d in snapshot.drivers.items()}
    return sorted(names, key=lambda name: heard.get(name, start), reverse=True)


def states(snapshot: Snapshot, now: datetime) -> dict[str, str]:
    """The state of every sweep; `stalled` follows from the clock and not from the store."""
    return {name: _state(snapshot, name, now) for name in sweep_names(snapshot)}


def plan_records(snapshot: Snapshot, name: str) -> list[Row]:
    """The trials of a sweep in the plan's order. Raises NotFound."""
    if name not in snapshot.plans and name not in snapshot.drivers:
        raise NotFound(f"there is no sweep {name!r} in the store")
    return [snapshot.records[row["trial_id"]] for row in snapshot.plans.get(name, ())]


def _state(snapshot: Snapshot, name: str, now: datetime) -> str:
    driver = snapshot.drivers.get(name)
    if driver is None:
        begun = any(record["status"] != "planned" for record in plan_records(snapshot, name))
        return "unknown" if begun else "planned"
    if driver.state == "running" and now - driver.heartbeat > SILENT:
        return "stalled"
    known = ("running", "interrupted", "failed", "finished")
    return driver.state if driver.state in known else "unknown"


def hours(records: Iterable[Row]) -> float:
    return sum(record["seconds"] or 0 for record in records) / 3600


def on_gpu(record: Row) -> bool:
    # Of ten thousand configurations only this is wanted: looked for, not parsed.
    return '"device": "cuda' in (record["config"] or "")
