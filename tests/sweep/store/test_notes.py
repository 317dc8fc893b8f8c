"""Notes as files that are only ever added."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from sweep.store import notes
from sweep.store.notes import NoteError, new_note, read_notes, standing_tags
from sweep.store.store import Store

FIELDS = {
    "trial_id": "t", "sweep": None, "author": "Ada", "at": "2026-03-01T12:00:00+00:00",
    "text": "a note", "tags": ["odd"], "removed_tags": [],
}  # fmt: skip


def write_by_ten(root: str) -> Store:
    """Ten writers at once, each with a store of its own and ten notes on the same trial."""
    barrier = threading.Barrier(10)

    def write(k: int) -> None:
        store = Store(root)
        barrier.wait()
        for n in range(10):
            notes.add(store, new_note(trial_id="t", author=f"w{k}", text=f"note {n}"))

    threads = [threading.Thread(target=write, args=(k,)) for k in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Store(root)


@pytest.mark.parametrize("place", ["folder", "bucket"])
def test_writers_at_once_lose_nothing(
    place: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    root = str(tmp_path) if place == "folder" else request.getfixturevalue("bucket_root")
    found, problems = read_notes(write_by_ten(root))
    assert problems == {}
    written = sorted((note.author, note.text) for note in found)
    assert written == sorted((f"w{k}", f"note {n}") for k in range(10) for n in range(10))
    for k in range(10):
        mine = [note.text for note in found if note.author == f"w{k}"]
        assert mine == [f"note {n}" for n in range(10)]  # oldest first


def test_a_note_is_read_as_it_was_written(tmp_path: Path) -> None:
    store = Store(tmp_path)
    note = new_note(sweep="demo", author=" Zoë ", text="σ\r\n<b>", tags=["für", "v1.2"])
    notes.add(store, note)
    assert read_notes(store) == ([note], {})
    assert (note.author, note.text) == ("Zoë", "σ\n<b>")


def test_a_tag_stands_until_a_later_note_takes_it_away() -> None:
    written = [
        new_note(trial_id="t", author="a", tags=["x", "y"]),
        new_note(trial_id="t", author="a", removed_tags=["x"], tags=["z"]),
        new_note(trial_id="t", author="b", tags=["x"]),
        new_note(trial_id="t", author="b", removed_tags=["z", "never"]),
    ]
    assert standing_tags(written[:1]) == ("x", "y")
    assert standing_tags(written[:2]) == ("y", "z")
    assert standing_tags(written) == standing_tags(reversed(written)) == ("y", "x")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "empty note"),
        ({"text": "x" * 4001}, "4001 characters"),
        ({"text": "\x1b[31m"}, "cannot be shown"),
        ({"text": "\ud800"}, "cannot be shown"),
        ({"text": "x", "author": " "}, "author"),
        ({"text": "x", "author": "a\u202eb"}, "author"),
        ({"text": "x", "author": "a" * 81}, "author"),
        ({"tags": ["<b>"]}, "tag '<b>'"),
        ({"tags": ["-x"]}, "tag '-x'"),
        ({"tags": ["x" * 41]}, "tag"),
        ({"tags": [str(k) for k in range(17)]}, "at most 16 tags"),
        ({"tags": ["a"], "removed_tags": ["a"]}, "put on and taken away"),
        ({"text": "x", "sweep": "s"}, "one trial or on one sweep"),
    ],
)
def test_what_can_be_no_note(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(NoteError, match=says):
        new_note(**({"trial_id": "t", "author": "a"} | fields))


@pytest.mark.parametrize(
    "content",
    [
        b"", b"no json", b"[]", b"{}", b"\xff",
        *(
            json.dumps(FIELDS | change).encode()
            for change in (
                {"at": "yesterday"}, {"at": "2026-03-01T12:00:00"}, {"text": 1}, {"tags": "odd"},
                {"tags": [1]}, {"author": "\x1b[2J"}, {"trial_id": None}, {"sweep": "s"},
                {"text": "x" * 70_000}, {"trial_id": ["t"]},
            )
        ),
    ],
)  # fmt: skip
def test_a_file_that_is_no_note_is_left_out_and_named(tmp_path: Path, content: bytes) -> None:
    store = Store(tmp_path)
    store.write("notes/b.json", json.dumps(FIELDS).encode())
    store.write("notes/a.json", content)
    found, problems = read_notes(store)
    assert [note.id for note in found] == ["b"]
    assert [*problems] == ["notes/a.json"]
