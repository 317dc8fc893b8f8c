"""Notes and tags on trials and sweeps: files that are only ever added, one for each note.

`notes/<time>-<id>.json` holds {"trial_id", "sweep", "author", "at", "text", "tags",
"removed_tags"}, of `trial_id` and `sweep` one null. No name comes twice, so writers at the same
time lose nothing, and nothing is ever replaced: who changes a mind adds a note that says so, or
that takes a tag away. What stands in a file is text of a stranger: it is bounded and checked
when it is read as when it is written. The author is who the writer says.
"""

from __future__ import annotations

import json
import re
import secrets
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from sweep.store.read_files import READ_ERRORS, side_by_side
from sweep.store.store import Store, StoredFile
from sweep.store.tables import first_line

FOLDER = "notes"
# Characters; a note is a few paragraphs, a longer text belongs into a file that it names.
MOST_TEXT, MOST_AUTHOR, MOST_TAG = 4000, 80, 40
MOST_TAGS = 16
# More than any note takes, whatever letters it has.
MOST_BYTES = 65_536
# The columns of notes where they are written as a table, and that of a trial's tags.
NOTES = pa.schema(
    [
        ("id", pa.string()),
        ("trial_id", pa.string()),
        ("sweep", pa.string()),
        ("author", pa.string()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("text", pa.string()),
        ("tags", pa.list_(pa.string())),
        ("removed_tags", pa.list_(pa.string())),
    ]
)
TAGS = NOTES.field("tags")
_TAG = re.compile(r"\w[\w.+-]*")


class NoteError(ValueError):
    """A note that cannot be one; says what is wrong and what would do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A note on a trial or on a sweep. `text` is Markdown; `id` sorts by time and is the file's.

    `tags` are put on it and `removed_tags` taken away from then on.
    """

    id: str
    trial_id: str | None
    sweep: str | None
    author: str
    at: datetime
    text: str
    tags: tuple[str, ...]
    removed_tags: tuple[str, ...]


def new_note(
    *,
    trial_id: str | None = None,
    sweep: str | None = None,
    author: str,
    text: str = "",
    tags: Sequence[str] = (),
    removed_tags: Sequence[str] = (),
) -> Note:
    """Makes a note of now, on the trial or the sweep. Raises NoteError for what cannot be one."""
    now = datetime.now(UTC)
    return _checked(
        Note(
            id=f"{now:%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(6)}",
            trial_id=trial_id,
            sweep=sweep,
            author=author.strip(),
            at=now,
            text=text.replace("\r\n", "\n").strip(),
            tags=tuple(dict.fromkeys(tags)),
            removed_tags=tuple(dict.fromkeys(removed_tags)),
        )
    )


def add(store: Store, note: Note) -> None:
    """Writes the note, beside all others. Raises StoreError."""
    fields = {name: getattr(note, name) for name in Note.__slots__ if name != "id"}
    content = json.dumps(fields | {"at": note.at.isoformat()}, ensure_ascii=False)
    store.write(f"{FOLDER}/{note.id}.json", content.encode())


def check_size(file: StoredFile) -> None:
    """Raises NoteError for a file that is too long to be a note, and to be read."""
    if file.size > MOST_BYTES:
        raise NoteError(f"is longer than a note can be, {MOST_BYTES} bytes")


def parse_note(file: StoredFile, content: bytes) -> Note:
    """The note of a stored file. Raises ValueError, TypeError or KeyError if it is none."""
    fields = json.loads(content)
    at = datetime.fromisoformat(fields["at"])
    if at.tzinfo is None:
        raise NoteError("has a time without a time zone")
    return _checked(
        Note(
            id=file.key,
            trial_id=_text(fields["trial_id"], optional=True),
            sweep=_text(fields["sweep"], optional=True),
            author=_text(fields["author"]) or "",
            at=at.astimezone(UTC),
            text=_text(fields["text"]) or "",
            tags=_texts(fields["tags"]),
            removed_tags=_texts(fields["removed_tags"]),
        )
    )


def read_notes(store: Store) -> tuple[list[Note], dict[str, str]]:
    """All notes, oldest first, and by path why a file is left out. Raises StoreError."""
    problems: dict[str, str] = {}

    def read(file: StoredFile) -> Note | None:
        try:
            check_size(file)
            content = store.read(file.path)
            return None if content is None else parse_note(file, content)
        except READ_ERRORS as error:
            problems[file.path] = first_line(error)
            return None

    notes = side_by_side(store, read, store.list(FOLDER))
    return in_order(note for note in notes if note is not None), problems


def in_order(notes: Iterable[Note]) -> list[Note]:
    """The notes, oldest first."""
    return sorted(notes, key=lambda note: (note.at, note.id))


def standing_tags(notes: Iterable[Note]) -> tuple[str, ...]:
    """The tags that the notes on one trial or sweep leave on it, in the order of their coming."""
    tags: dict[str, None] = {}
    for note in in_order(notes):
        for tag in note.removed_tags:
            tags.pop(tag, None)
        tags |= dict.fromkeys(note.tags)
    return tuple(tags)


def tags_by_subject(notes: Iterable[Note]) -> dict[tuple[str, str], tuple[str, ...]]:
    """The tags that stand, by ("trial", its id) or ("sweep", its name); none without any."""
    by_subject: dict[tuple[str, str], list[Note]] = {}
    for note in notes:
        by_subject.setdefault(subject(note), []).append(note)
    tags = {key: standing_tags(own) for key, own in by_subject.items()}
    return {key: own for key, own in tags.items() if own}


def trial_tags(notes: Iterable[Note]) -> dict[str, tuple[str, ...]]:
    """The tags that stand, by the id of the trial; none without any."""
    tags = tags_by_subject(notes)
    return {name: own for (kind, name), own in tags.items() if kind == "trial"}


def about_sweep(notes: Iterable[Note], sweep: str, planned: Collection[str]) -> list[Note]:
    """The notes on a sweep and on its planned trials."""
    return [note for note in notes if note.sweep == sweep or note.trial_id in planned]


def subject(note: Note) -> tuple[str, str]:
    """What the note is on: ("trial", its id) or ("sweep", its name)."""
    return ("trial", note.trial_id) if note.trial_id is not None else ("sweep", note.sweep or "")


def split_tags(text: str) -> list[str]:
    """The tags of a text that has them by spaces or commas."""
    return text.replace(",", " ").split()


def _checked(note: Note) -> Note:
    if (note.trial_id is None) == (note.sweep is None):
        raise NoteError("a note is on one trial or on one sweep")
    if not note.author or len(note.author) > MOST_AUTHOR or not note.author.isprintable():
        raise NoteError(
            f"author {note.author[:MOST_AUTHOR]!r}: give a name of 1 to {MOST_AUTHOR} characters"
        )
    if len(note.text) > MOST_TEXT:
        raise NoteError(f"the text has {len(note.text)} characters, of {MOST_TEXT} at most")
    for letter in note.text:
        if letter not in "\n\t" and unicodedata.category(letter) in ("Cc", "Cs"):
            raise NoteError(f"the text has {letter!r}, which cannot be shown: leave it out")
    _check_tags(note)
    if not (note.text or note.tags or note.removed_tags):
        raise NoteError("an empty note: give a text, or a tag")
    return note


def _check_tags(note: Note) -> None:
    tags = (*note.tags, *note.removed_tags)
    for tag in tags:
        if len(tag) > MOST_TAG or not _TAG.fullmatch(tag):
            raise NoteError(
                f"tag {tag[:MOST_TAG]!r}: letters, digits, '_', '-', '+' and '.', at most "
                f"{MOST_TAG}, the first a letter or digit"
            )
    if len(tags) > MOST_TAGS:
        raise NoteError(f"a note has at most {MOST_TAGS} tags, not {len(tags)}")
    if clash := set(note.tags) & set(note.removed_tags):
        raise NoteError(f"tag {min(clash)!r} is put on and taken away by the same note")


def _text(value: Any, *, optional: bool = False) -> str | None:
    if isinstance(value, str) or (optional and value is None):
        return value
    raise NoteError(f"has {str(value)[:40]!r} where a text belongs")


def _texts(values: Any) -> tuple[str, ...]:
    if isinstance(values, list) and all(isinstance(value, str) for value in values):
        return tuple(values)
    raise NoteError(f"has {str(values)[:40]!r} where tags belong")
