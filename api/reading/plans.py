"""Plans and heartbeats of the sweeps in a snapshot."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from api.reading.snapshot import NotFound, Row, Snapshot
from sweep.report.states import driven_state, latest_first, undriven_state
from sweep.store.ownership import is_silent


def sweep_names(snapshot: Snapshot) -> list[str]:
    """Sweeps with a plan or a driver, the one with the latest heartbeat first."""
    heartbeats = {name: driver.heartbeat for name, driver in snapshot.drivers.items()}
    return latest_first(snapshot.plans.keys() | snapshot.drivers.keys(), heartbeats)


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
        return undriven_state(plan_records(snapshot, name))
    return driven_state(driver.state, live=not is_silent(driver.heartbeat, now))


def hours(records: Iterable[Row]) -> float:
    """Hours that trials took, whatever share of a machine they had."""
    return sum(record["seconds"] or 0 for record in records) / 3600
