"""A sweep's part of a store: what is listed, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.publish.part import SweepPart
from sweep.store.store import Store, StoreError
from tests.api.stores import identity, write_plan, write_trial
from trainer.config.lookup import UsageError


def test_only_the_sweep_is_listed(filled: Path) -> None:
    part = SweepPart(filled, "fig8")
    assert [file.path for file in part.list("sweeps")] == [
        "sweeps/fig8.json",
        "sweeps/fig8.parquet",
    ]
    planned = {row["trial_id"] for row in Store(filled).read_rows("sweeps", "fig8")}
    listed = {file.key for file in part.list("trials")}
    assert listed < planned, "one is only planned"
    assert part.trial_ids == planned
    (trial_id, *_) = listed
    assert part.list(f"samples/{trial_id}") == Store(filled).list(f"samples/{trial_id}")


def test_what_it_branched_off_belongs_to_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first, second, third = (identity("C_32-32", "sr-dynamic", seed) for seed in (0, 1, 2))
    second |= {"parent": first["trial_id"], "parent_iteration": 300}
    third |= {"parent": second["trial_id"], "parent_iteration": 600}
    lost = identity("C_32-32", "sn", 3) | {"parent": "digits.gone", "parent_iteration": 1}
    for who in (first, second, third, lost, identity("C_32-32", "sn", 4)):
        write_trial(store, who)
    write_plan(store, "rescue", [third, lost])
    ids = {who["trial_id"] for who in (first, second, third, lost)}
    part = SweepPart(tmp_path, "rescue")
    assert part.trial_ids == ids | {"digits.gone"}
    assert {file.key for file in part.list("trials")} == ids


def test_a_sweep_that_is_not_there_is_refused(filled: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown sweep 'dem'; did you mean: demo"):
        SweepPart(filled, "dem")
    with pytest.raises(UsageError, match="no sweep in"):
        SweepPart(tmp_path, "demo")
    with pytest.raises(StoreError, match="cannot open"):
        SweepPart("gopher://x", "demo")
    write_plan(Store(tmp_path), "empty", [])
    with pytest.raises(UsageError, match="has no trials"):
        SweepPart(tmp_path, "empty")
