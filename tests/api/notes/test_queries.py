"""Notes of a snapshot, without HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.notes import queries
from api.reading.changes import Changes
from api.reading.snapshot import Snapshot, Watcher
from sweep.store.notes import add, new_note
from sweep.store.store import Store
from tests.api.stores import identity, write_plan, write_trial

WHO = identity("C_32-32", "sn", 0)
TRIAL = WHO["trial_id"]


def snapshot_of(watcher: Watcher) -> Snapshot:
    watcher.refresh()
    assert watcher.current is not None
    return watcher.current


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    write_trial(store, WHO)
    write_plan(store, "demo", [WHO])
    return store


def test_a_note_changes_the_snapshot_and_what_it_is_on(store: Store) -> None:
    watcher, changes = Watcher(store), Changes()
    before = snapshot_of(watcher)
    changes.look(before, datetime.now(UTC))
    add(store, new_note(trial_id=TRIAL, author="a", tags=["odd"]))
    after = snapshot_of(watcher)
    changes.look(after, datetime.now(UTC))
    assert before.id != after.id
    assert after.plans.keys() == {"demo"}
    (change,) = changes.history.changes
    assert (change.trials, change.sweeps) == ({TRIAL}, {"demo"})
    add(store, new_note(sweep="demo", author="a", text="x"))
    changes.look(snapshot_of(watcher), datetime.now(UTC))
    assert (changes.history.changes[-1].trials, changes.history.changes[-1].sweeps) == (
        frozenset(), {"demo"},
    )  # fmt: skip


def test_notes_and_tags_by_what_they_are_on(store: Store) -> None:
    add(store, new_note(trial_id=TRIAL, author="a", text="1", tags=["z", "b"]))
    add(store, new_note(trial_id=TRIAL, author="a", text="2", removed_tags=["z"], tags=["a"]))
    add(store, new_note(sweep="demo", author="a", text="3", tags=["s"]))
    now = snapshot_of(Watcher(store))
    assert [note.text for note in queries.notes_on(now, queries.TRIAL, TRIAL)] == ["1", "2"]
    assert queries.tags_of(now, queries.TRIAL, TRIAL) == ["b", "a"]
    assert queries.tags_of(now, queries.SWEEP, "demo") == ["s"]
    assert queries.trials_by_tag(now) == {"a": [TRIAL], "b": [TRIAL]}
    assert queries.standing(now, now.notes) == ["a", "b", "s"]


def test_what_is_no_note_is_left_out_by_name(store: Store) -> None:
    store.write("notes/bad.json", b"{}")
    store.write("notes/long.json", b" " * 70_000)
    now = snapshot_of(Watcher(store))
    assert now.notes == []
    assert now.skipped.keys() == {"notes/bad.json", "notes/long.json"}
    assert now.plans.keys() == {"demo"}
