"""Requests to a running sweep, and whether they make sense now.

Nothing is done here: a request is written to the sweep's control file, which its trials read at
every evaluation and its driver every few seconds.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from api.reading.plans import plan_records
from api.reading.snapshot import Snapshot, log, trial_record
from api.web.control import writing
from sweep.store import requests
from sweep.store.ownership import is_live, read_owner
from sweep.store.store import Store

# A trial with one of these has something left to stop.
STOPPABLE = ("planned", "running")
RETRYABLE = ("failed", "stopped")


class SweepAction(BaseModel):
    """Asked of a sweep: every trial saves at its next iteration and ends; none begins."""

    model_config = ConfigDict(extra="forbid")
    action: Literal["stop"]


class TrialAction(BaseModel):
    """Asked of a trial: to end at its next iteration, or to go on after it failed or stopped."""

    model_config = ConfigDict(extra="forbid")
    action: Literal["stop", "retry"]


class Accepted(BaseModel):
    """A request that was written down."""

    id: str
    action: str
    sweep: str
    also: list[str] = Field(description="other running sweeps with the trial: asked the same")
    trial_id: str | None
    see: str = Field(description="address of what it takes effect on")


class Asked(BaseModel):
    """A request as the control file holds it, until the next start of the sweep."""

    id: str
    action: Literal["stop", "retry"]
    trial_id: str | None = Field(description="null for all trials of the sweep")
    at: datetime | None


class AskedList(BaseModel):
    """What was asked of a sweep's present or last run, oldest first."""

    sweep: str
    items: list[Asked]


def pending_requests(store: Store, name: str) -> list[Asked]:
    return [
        Asked(
            id=request["id"],
            action="retry" if request["action"] == requests.RETRY_TRIAL else "stop",
            trial_id=request.get("trial_id"),
            at=_parsed_time(request.get("at")),
        )
        for request in requests.read_requests(store, name)
    ]


def _parsed_time(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None


def ask_sweep(store: Store, snapshot: Snapshot, name: str) -> Accepted:
    """Asks a sweep to stop. Raises NotFound; HTTPException if it is not running."""
    plan_records(snapshot, name)
    if not _is_running(store, name):
        raise HTTPException(
            409, f"sweep {name!r} is not running: {_resume_advice(snapshot, name)}"
        )
    return _write_request(store, [name], requests.STOP_SWEEP, None)


def ask_trial(
    store: Store, snapshot: Snapshot, trial_id: str, action: Literal["stop", "retry"]
) -> Accepted:
    """Asks every running sweep with the trial to stop or retry it.

    Raises NotFound; HTTPException if no such sweep is running, or the trial stands otherwise.
    """
    status = trial_record(snapshot, trial_id)["status"]
    if action == "stop" and status not in STOPPABLE:
        raise HTTPException(409, f"the trial is {status} already: there is nothing to stop")
    if action == "retry" and status not in RETRYABLE:
        raise HTTPException(
            409, f"the trial is {status}: only one that failed or was stopped can be retried"
        )
    names = [
        name
        for name, plan in snapshot.plans.items()
        if any(row["trial_id"] == trial_id for row in plan)
    ]
    running = [name for name in names if _is_running(store, name)]
    if not running:
        advice = _resume_advice(snapshot, names[0]) if names else "no sweep plans it"
        raise HTTPException(409, f"no sweep that is running has the trial: {advice}")
    return _write_request(store, running, f"{action}-trial", trial_id)


def _is_running(store: Store, name: str) -> bool:
    """By the store as it is now, not as the snapshot has it."""
    holder = read_owner(store, f"sweeps/{name}.json")
    try:
        return holder is not None and is_live(holder)
    except (KeyError, TypeError, ValueError):
        return False  # no file of a driver


def _resume_advice(snapshot: Snapshot, name: str) -> str:
    driver = snapshot.drivers.get(name)
    command = f" ({driver.command})" if driver and driver.command else ""
    return f"the command of sweep {name!r} goes on with it{command}"


def _write_request(store: Store, sweeps: list[str], action: str, trial_id: str | None) -> Accepted:
    request_id = requests.new_id()
    with writing("a request", "use `python -m sweep.control` where the sweep runs"):
        for name in sweeps:
            requests.ask(store, name, action, trial_id, request_id)
    log.info("asked %s: %s %s, request %s", ", ".join(sweeps), action, trial_id or "", request_id)
    return Accepted(
        id=request_id,
        action="retry" if action == requests.RETRY_TRIAL else "stop",
        sweep=sweeps[0],
        also=sweeps[1:],
        trial_id=trial_id,
        see=f"/sweeps/{sweeps[0]}" if trial_id is None else f"/trials/{trial_id}",
    )
