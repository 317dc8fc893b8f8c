"""The notes of a snapshot by what they are on, and the tags that stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from pydantic import BaseModel, Field

from api.reading.memo import memoise_by_snapshot
from api.reading.snapshot import Snapshot
from sweep.store.notes import Note, subject, tags_by_subject

Tagged = TypeVar("Tagged", bound=BaseModel)

TRIAL, SWEEP = "trial", "sweep"


class NoteItem(BaseModel):
    """A note as it was written; nothing in it is ever changed."""

    id: str = Field(description="sorts by time")
    trial_id: str | None = Field(description="null for a note on a sweep")
    sweep: str | None = Field(description="null for a note on a trial")
    author: str = Field(description="as the writer calls itself: not verified")
    at: datetime
    text: str = Field(description="Markdown; HTML in it is text")
    tags: list[str] = Field(description="that it puts on")
    removed_tags: list[str] = Field(description="that it takes away")


class NoteList(BaseModel):
    """Notes, oldest first."""

    items: list[NoteItem]
    tags: list[str] = Field(description="that stand, of what the notes are on")
    snapshot: str


def notes_on(snapshot: Snapshot, kind: str, name: str) -> list[NoteItem]:
    """The notes on the trial or sweep, oldest first."""
    return [note_item(note) for note in _by_subject(snapshot).get((kind, name), ())]


def tags_of(snapshot: Snapshot, kind: str, name: str) -> list[str]:
    """The tags that stand on the trial or sweep."""
    return [*_tags(snapshot).get((kind, name), ())]


def trials_by_tag(snapshot: Snapshot) -> Mapping[str, Sequence[str]]:
    """Ids of the trials that have each tag, the tags in order of the alphabet."""
    return _trials_by_tag(snapshot)


def with_tags(snapshot: Snapshot, kind: str, name: str, item: Tagged) -> Tagged:
    """The item, which has a field `tags` that is empty so far, with those that stand."""
    tags = _tags(snapshot).get((kind, name))
    return item if not tags else item.model_copy(update={"tags": [*tags]})


def note_item(note: Note) -> NoteItem:
    return NoteItem(
        id=note.id,
        trial_id=note.trial_id,
        sweep=note.sweep,
        author=note.author,
        at=note.at,
        text=note.text,
        tags=[*note.tags],
        removed_tags=[*note.removed_tags],
    )


def standing(snapshot: Snapshot, notes: Iterable[Note]) -> list[str]:
    """The tags that stand on any of what these notes are on, in order of the alphabet."""
    subjects = {subject(note) for note in notes}
    return sorted({tag for key in subjects for tag in _tags(snapshot).get(key, ())})


@memoise_by_snapshot()
def _by_subject(snapshot: Snapshot) -> Mapping[tuple[str, str], list[Note]]:
    notes: dict[tuple[str, str], list[Note]] = {}
    for note in snapshot.notes:
        notes.setdefault(subject(note), []).append(note)
    return notes


@memoise_by_snapshot()
def _tags(snapshot: Snapshot) -> Mapping[tuple[str, str], Sequence[str]]:
    return tags_by_subject(snapshot.notes)


@memoise_by_snapshot()
def _trials_by_tag(snapshot: Snapshot) -> Mapping[str, Sequence[str]]:
    trials: dict[str, list[str]] = {}
    for (kind, name), tags in _tags(snapshot).items():
        for tag in tags if kind == TRIAL else ():
            trials.setdefault(tag, []).append(name)
    return dict(sorted(trials.items()))
