"""Notes as JSON: those that there are, and one more with the control token."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, field_validator

from api.notes import queries
from api.notes.queries import SWEEP, TRIAL, NoteItem, NoteList
from api.reading.plans import plan_records
from api.reading.snapshot import Snapshot, trial_record
from api.web import formats
from api.web.bodies import Fields
from api.web.control import (
    CONTROL,
    CONTROL_RESPONSES,
    back_to_page,
    request_bodies,
    validated,
    writing,
)
from api.web.etags import not_modified_or_continue
from api.web.flattening import flat_table
from api.web.parameters import TABLES, Format, Now, Serving, known_parameters, separated
from api.web.problems import RESPONSES
from api.web.service import Service
from sweep.store.notes import Note, NoteError, add, new_note, split_tags, subject
from trainer.config.lookup import UsageError, select

router = APIRouter(tags=["notes"], dependencies=[Depends(known_parameters)], responses=RESPONSES)

# Until the watcher has read a note that was written, so that its writer sees it at once.
SEEN_SECONDS = 3.0
LOOK_SECONDS = 0.05


class NewNote(BaseModel):
    """A note to add: a text, tags to put on or take away, or several of these."""

    model_config = ConfigDict(extra="forbid")
    author: str = Field(description="who writes it; nobody verifies that")
    text: str = Field("", description="Markdown without HTML, 4000 characters at most")
    tags: list[str] = Field([], description="or a text that has them by spaces or commas")
    removed_tags: list[str] = Field([], description="the same, of tags to take away")

    @field_validator("tags", "removed_tags", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return split_tags(value) if isinstance(value, str) else value


@router.get("/notes", response_model=NoteList, responses=TABLES)
def notes(
    request: Request,
    snapshot: Now,
    tag: Annotated[
        Sequence[str], Query(description="of trials and sweeps with it; patterns allowed")
    ] = (),
    format: Format = None,
) -> Response:
    """All notes on trials and sweeps, oldest first."""
    selected = list(snapshot.notes)
    if patterns := separated(tag):
        tag_names = dict.fromkeys(queries.standing(snapshot, snapshot.notes))
        if not tag_names:
            raise UsageError(f"unknown tag {patterns[0]!r}: nothing in the store has a tag")
        selected_tags = set(select("tag", tag_names, patterns))
        selected = [
            n for n in selected if selected_tags & {*queries.tags_of(snapshot, *subject(n))}
        ]
    items = [queries.note_item(note) for note in selected]
    return _listed(request, snapshot, items, queries.standing(snapshot, selected), format)


@router.get("/trials/{trial_id}/notes", response_model=NoteList, responses=TABLES)
def trial_notes(request: Request, snapshot: Now, trial_id: str, format: Format = None) -> Response:
    """The notes on a trial, and the tags that stand on it."""
    trial_record(snapshot, trial_id)
    return _listed_on(request, snapshot, TRIAL, trial_id, format)


@router.get("/sweeps/{name}/notes", response_model=NoteList, responses=TABLES)
def sweep_notes(request: Request, snapshot: Now, name: str, format: Format = None) -> Response:
    """The notes on a sweep, and the tags that stand on it; `/notes` has those on its trials."""
    plan_records(snapshot, name)
    return _listed_on(request, snapshot, SWEEP, name, format)


def _listed_on(
    request: Request, snapshot: Snapshot, kind: str, name: str, format: str | None
) -> Response:
    items, tags = queries.notes_on(snapshot, kind, name), queries.tags_of(snapshot, kind, name)
    return _listed(request, snapshot, items, tags, format)


def _listed(
    request: Request,
    snapshot: Snapshot,
    items: list[NoteItem],
    tags: list[str],
    format: str | None,
) -> Response:
    media = formats.negotiate(request, format)
    not_modified_or_continue(request, snapshot.id, media)
    return formats.json_or_file(
        request,
        media,
        "notes",
        lambda: NoteList(items=items, tags=tags, snapshot=snapshot.id),
        lambda: flat_table(NoteItem, items),
    )


@router.post(
    "/trials/{trial_id}/notes",
    status_code=201,
    response_model=NoteItem,
    responses=CONTROL_RESPONSES,
    dependencies=CONTROL,
    openapi_extra=request_bodies(NewNote),
)
def add_to_trial(
    request: Request, snapshot: Now, service: Serving, trial_id: str, sent: Fields
) -> Response:
    """Adds a note on a trial, or tags. It stays: a later one may say something else."""
    trial_record(snapshot, trial_id)
    note = _new_note(sent, trial_id=trial_id)
    return _added(request, service, note, f"/trials/{quote(trial_id)}")


@router.post(
    "/sweeps/{name}/notes",
    status_code=201,
    response_model=NoteItem,
    responses=CONTROL_RESPONSES,
    dependencies=CONTROL,
    openapi_extra=request_bodies(NewNote),
)
def add_to_sweep(
    request: Request, snapshot: Now, service: Serving, name: str, sent: Fields
) -> Response:
    """Adds a note on a sweep, or tags. It stays: a later one may say something else."""
    plan_records(snapshot, name)
    note = _new_note(sent, sweep=name)
    return _added(request, service, note, f"/sweeps/{quote(name)}")


def _new_note(sent: dict[str, Any], **on: str) -> Note:
    try:
        return new_note(**on, **validated(NewNote, sent).model_dump())
    except NoteError as error:
        raise UsageError(str(error)) from error


def _added(request: Request, service: Service, note: Note, address: str) -> Response:
    with writing("a note", "use `python -m sweep.note` where it can be written"):
        add(service.store, note)
    deadline = time.monotonic() + SEEN_SECONDS
    while time.monotonic() < deadline and not _is_seen(service.watcher.current, note):
        time.sleep(LOOK_SECONDS)
    if (redirect := back_to_page(request, f"/view{address}")) is not None:
        return redirect
    body = queries.note_item(note).model_dump(mode="json")
    return JSONResponse(body, 201, headers={"Location": f"{address}/notes"})


def _is_seen(snapshot: Snapshot | None, note: Note) -> bool:
    return snapshot is not None and any(current.id == note.id for current in snapshot.notes)
