"""What could be ordered beside a trial."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from api.reading.snapshot import Snapshot, Watcher
from api.trials.extension import Extension, extension
from api.trials.neighbours import neighbours
from sweep.store.store import Store
from tests.api.stores import identity, write_trial


def extended(root: Path, method: str = "sr-static", **changes: Any) -> Extension | None:
    store = Store(root)
    trials = [identity("C_32-32", method, seed) | changes for seed in (0, 4)]
    for who in trials:
        write_trial(store, who)
    watcher = Watcher(store)
    watcher.refresh()
    snapshot: Snapshot | None = watcher.current
    assert snapshot is not None
    record = snapshot.records[trials[0]["trial_id"]]
    return extension(record, neighbours(snapshot, record).seeds)


def test_new_seeds_come_after_all_that_the_row_has(tmp_path: Path) -> None:
    more = extended(tmp_path)
    assert more is not None
    assert (more.seeds, more.own_seed, more.method) == ("5,6", 0, "sr-static")
    assert dict(more.shared) == {
        "profile": "digits", "settings": "C_32-32", "i_ratios": "0.5", "iterations": "1500",
        "precision": "float32",
    }  # fmt: skip
    assert "sn" in more.methods
    assert "sr-static" not in more.methods


@pytest.mark.parametrize(
    "changes", [{"profile": "own"}, {"parent": "x", "parent_iteration": 3}, {"dataset": "images"}]
)
def test_what_no_order_can_name_is_not_offered(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert extended(tmp_path, **changes) is None
