"""States, counts and done work of sweeps, from plain rows. The service tells them the same way.

Standard library only.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from sweep.store.vocabulary import FINISHED, SHOWN_STATUSES, Row, is_halved
from trainer.config.own_trial import PROFILE as OWN

# As drivers report them; `lost` is one whose cluster was.
DRIVER_STATES = ("running", "interrupted", "lost", "failed", "finished")


def latest_first(names: Iterable[str], heartbeats: Mapping[str, datetime]) -> list[str]:
    """Sorts sweeps by their drivers' last heartbeat, then those without a driver by name."""
    never = datetime.min.replace(tzinfo=UTC)
    return sorted(sorted(names), key=lambda name: heartbeats.get(name, never), reverse=True)


def driven_state(reported: object, *, live: bool) -> str:
    """State of a sweep whose driver reports `reported`; `live` says whether it can be at work."""
    if reported == "running" and not live:
        return "stalled"
    return str(reported) if reported in DRIVER_STATES else "unknown"


def undriven_state(records: Iterable[Row]) -> str:
    """State of a sweep without a driver, from the rows of its trials: loops of their own need
    none, of any other sweep it is not known."""
    rows = [row for row in records if row["status"] != "planned"]
    if not rows:
        return "planned"
    if any(row.get("profile") != OWN for row in rows):
        return "unknown"
    statuses = {row["status"] for row in rows}
    states = {"running": "running", "failed": "failed", "stopped": "interrupted"}
    return next((state for status, state in states.items() if status in statuses), "finished")


def status_counts(statuses: Iterable[str]) -> dict[str, int]:
    """How many there are of each status: in the order of SHOWN_STATUSES, then by name those that
    only another version writes."""
    counts = Counter(statuses)
    names = dict.fromkeys([*SHOWN_STATUSES, *sorted(counts)])
    return {status: counts[status] for status in names if counts[status]}


def finite_eta(eta: float | None, state: str) -> float | None:
    """Seconds left by the driver's own estimate; None unless it is finite and the sweep runs."""
    return eta if state == "running" and eta is not None and math.isfinite(eta) else None


def stopped_at_rungs(records: Iterable[Row]) -> list[tuple[int, int, int]]:
    """Rungs at which a search has stopped trials: number, budget in iterations, trials stopped."""
    counts = Counter((r["rung"], r["rung_budget"]) for r in records if is_halved(r))
    return [(number, budget, count) for (number, budget), count in sorted(counts.items())]


def rung_in_words(number: int, budget: int, count: int) -> str:
    """A sentence on the trials that a search has stopped at a rung."""
    trials = "1 trial" if count == 1 else f"{count} trials"
    return f"{trials} stopped at rung {number}, after {budget:,} iterations: not among the best"


def share_done(records: Sequence[Row]) -> float:
    """Share of the planned iterations that is done, 0 to 1; 0 of no trials."""
    planned = sum(record["iterations"] for record in records)
    return sum(map(iterations_done, records)) / planned if planned else 0.0


def iterations_done(record: Row) -> int:
    """Done iterations of a trial: all of one that collapsed or ended at a rung, and not of one
    that was stopped otherwise."""
    if record["status"] in FINISHED or is_halved(record):
        return record["iterations"]
    return min(record["iteration"] or 0, record["iterations"])
