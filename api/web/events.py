"""Server-sent events: changes of the store as they happen."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Header
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from api.reading.changes import Change, Changes, History
from api.reading.memo import memoise_by_snapshot
from api.reading.snapshot import NotFound, Snapshot
from api.web.parameters import Serving, known_parameters
from api.web.problems import RESPONSES
from api.web.service import Service
from sweep.report.states import status_counts

router = APIRouter(tags=["live"], dependencies=[Depends(known_parameters)], responses=RESPONSES)

# Between two events, and between two looks for one.
GAP_SECONDS = 1.0
LOOK_SECONDS = 0.5
# A browser that lost the connection waits this long.
RETRY_MS = 2000
MAX_NAMED = 100


class ChangeEvent(BaseModel):
    """The data of an event `change`."""

    snapshot: str
    changed: list[str] = Field(description="trials, at most 100")
    more: int = Field(description="trials that changed beside those")
    sweeps: list[str] = Field(description="whose trials, plan, driver or state changed")
    counts: dict[str, int] = Field(description="trials by status now")


async def place(service: Serving) -> AsyncIterator[History]:
    """A place among the streams, for as long as the response lasts."""
    with service.streams.place():
        history = service.changes.history
        if history.snapshot is None:
            reason = service.watcher.error or "the store is being read for the first time"
            raise HTTPException(503, reason, headers={"Retry-After": "1"})
        yield history


Place = Annotated[History, Depends(place)]
LastEventId = Annotated[
    str | None, Header(description="of the last event that was received: to go on after it")
]


def planned_sweep(name: str, history: Place) -> str:
    """The sweep's name, if there is such a sweep. Raises NotFound."""
    snapshot = history.snapshot
    if snapshot is None or not (name in snapshot.plans or name in snapshot.drivers):
        raise NotFound(f"there is no sweep {name!r} in the store")
    return name


@router.get("/events", response_class=EventSourceResponse)
async def events(
    service: Serving, _: Place, last_event_id: LastEventId = None
) -> AsyncIterable[ServerSentEvent]:
    """A stream of events `change`, at most one a second, with what changed as JSON.

    It has `snapshot`, `changed` (at most 100 trials, and `more` beside them), `sweeps` of which
    trials, plan, driver or state changed, and `counts` of trials by status now. The first event
    changes nothing: it says where the stream starts. After `Last-Event-ID` it goes on from there;
    an id that is not known, as after a restart, is answered by an event `reset`: ask for all.
    """
    async for event in follow(service, last_event_id):
        yield event


@router.get("/sweeps/{name}/events", response_class=EventSourceResponse)
async def sweep_events(
    service: Serving,
    name: Annotated[str, Depends(planned_sweep)],
    last_event_id: LastEventId = None,
) -> AsyncIterable[ServerSentEvent]:
    """The same of one sweep alone: its trials, and their counts."""
    async for event in follow(service, last_event_id, name):
        yield event


async def follow(
    service: Service, last_event_id: str | None, name: str | None = None
) -> AsyncIterator[ServerSentEvent]:
    """Yields changes until the service stops; of the sweep `name` alone if there is one.

    A client that reads slowly delays the next event, which then has all changes since.
    """
    changes = service.changes
    history, sent = changes.history, position(changes, last_event_id)
    if sent is None:
        sent = history.sequence
        reset = last_event_id is not None
        yield _reset(changes, history) if reset else _change(changes, history, [], name)
        await asyncio.sleep(GAP_SECONDS)
    while not service.streams.closing:
        history = changes.history
        missed = history.changes_since(sent)
        sent = history.sequence
        if missed is None:
            yield _reset(changes, history)
        elif concerned := [change for change in missed if name is None or name in change.sweeps]:
            yield _change(changes, history, concerned, name)
        else:
            await asyncio.sleep(LOOK_SECONDS)
            continue
        await asyncio.sleep(GAP_SECONDS)


def position(changes: Changes, last_event_id: str | None) -> int | None:
    """The sequence number of an event id of this start of the service; else None."""
    start, _, number = (last_event_id or "").partition("-")
    if start != changes.start or not re.fullmatch(r"[0-9]{1,12}", number):
        return None
    return int(number) if changes.history.changes_since(int(number)) is not None else None


def _change(
    changes: Changes, history: History, missed: Sequence[Change], name: str | None
) -> ServerSentEvent:
    assert history.snapshot is not None  # place() refuses before there is one
    trials = frozenset[str]().union(*(change.trials for change in missed))
    sweeps = frozenset[str]().union(*(change.sweeps for change in missed))
    if name is not None:
        trials, sweeps = trials & _members(history.snapshot, name), sweeps & {name}
    data = ChangeEvent(
        snapshot=history.snapshot.id,
        changed=sorted(trials)[:MAX_NAMED],
        more=max(0, len(trials) - MAX_NAMED),
        sweeps=sorted(sweeps),
        counts=dict(_counts(history.snapshot, name)),
    )
    return ServerSentEvent(data=data, event="change", id=_id(changes, history), retry=RETRY_MS)


def _reset(changes: Changes, history: History) -> ServerSentEvent:
    assert history.snapshot is not None
    data = {"snapshot": history.snapshot.id}
    return ServerSentEvent(data=data, event="reset", id=_id(changes, history), retry=RETRY_MS)


def _id(changes: Changes, history: History) -> str:
    return f"{changes.start}-{history.sequence}"


# Counted once for all clients.
@memoise_by_snapshot(size=64)
def _counts(snapshot: Snapshot, name: str | None) -> Mapping[str, int]:
    ids = snapshot.ids if name is None else _members(snapshot, name)
    return status_counts(snapshot.records[trial_id]["status"] for trial_id in ids)


@memoise_by_snapshot(size=64)
def _members(snapshot: Snapshot, name: str) -> frozenset[str]:
    return frozenset(row["trial_id"] for row in snapshot.plans.get(name, ()))
