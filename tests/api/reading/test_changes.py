"""The history of changes between snapshots."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.reading import changes
from api.reading.changes import Changes
from api.reading.snapshot import Watcher
from sweep.store.store import Store
from tests.api.reading.looking import look
from tests.api.stores import identity, write_plan, write_trial


def test_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MAX_CHANGES", 3)
    store, watch = Store(tmp_path), Changes()
    trials = [identity("C_32-32", "sn", seed) for seed in range(4)]
    ids = [who["trial_id"] for who in trials]
    write_plan(store, "s", trials[:3])
    watcher = Watcher(store)
    look(watch, watcher)
    assert watch.history.changes_since(0) == []
    look(watch, watcher)
    assert watch.history.sequence == 0, "nothing has changed"
    for who in trials:
        write_trial(store, who)
        look(watch, watcher)
    assert watch.history.changes_since(0) is None, "too long ago"
    assert watch.history.changes_since(5) is None, "not yet"
    missed = watch.history.changes_since(1)
    assert missed is not None
    assert [sorted(change.trials) for change in missed] == [[one] for one in ids[1:]]
    assert [sorted(change.sweeps) for change in missed] == [["s"], ["s"], []]
    (tmp_path / f"trials/{ids[0]}.parquet").unlink()
    (tmp_path / f"trials/{ids[3]}.parquet").unlink()
    look(watch, watcher)
    missed = watch.history.changes_since(4)
    assert missed is not None
    assert [change.trials for change in missed] == [{ids[0], ids[3]}], (
        "one is planned again, one is gone"
    )


def test_history_is_bounded_by_what_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "MAX_IDS", 5)
    store, watch = Store(tmp_path), Changes()
    watcher = Watcher(store)
    look(watch, watcher)
    for sweep in range(4):
        method = ("sn", "sr-static", "sn-renorm", "sr-lift")[sweep]
        write_plan(store, str(sweep), [identity("C_32-32", method, k) for k in range(3)])
        look(watch, watcher)
    assert [len(change.trials) for change in watch.history.changes] == [3]
    assert watch.history.changes_since(3) is not None
    assert watch.history.changes_since(2) is None
