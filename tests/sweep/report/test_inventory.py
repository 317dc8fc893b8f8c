"""Inventory of a store, and of its unreadable files."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweep.report.inventory import inventory, skipped_lines
from sweep.report.sweep_state import COLUMNS
from sweep.store.store import Store
from trainer.config.lookup import UsageError


def test_a_plan_and_its_trials(mixed: Store) -> None:
    stored = inventory(mixed, sweep="mixed")
    records = stored.records("mixed")
    assert [record["status"] for record in records] == [
        "collapsed", "completed", "running", "running", "failed", "stopped", "planned", "planned",
    ]  # fmt: skip
    assert (records[-1]["method"], records[-1]["best_fid"]) == ("sr-static", None)
    assert stored.skipped == {}
    assert not stored.drivers["mixed"]["live"]
    assert set(inventory(mixed, columns=COLUMNS).trials[records[0]["trial_id"]]) == set(COLUMNS)


def test_only_the_sweeps_own_trials_are_read(mixed: Store, trial, write_sweep) -> None:
    write_sweep(mixed, "other", [trial(trial_id="other")])
    assert len(inventory(mixed).trials) == 7
    assert list(inventory(mixed, sweep="other").trials) == ["other"]
    assert inventory(mixed).sweeps == ["mixed", "other"], "one that was heard of goes first"


def test_unreadable_files_are_named_and_the_rest_is_read(mixed: Store) -> None:
    first_file = mixed.list("trials")[0]
    content = mixed.read(first_file.path)
    assert content is not None
    mixed.write("trials/copy.parquet", content)
    mixed.write("trials/torn.parquet", content[:100])
    mixed.write("sweeps/torn.parquet", b"")
    mixed.write("sweeps/text.json", b"[1]")
    mixed.write("sweeps/clock.json", b'{"state": "running", "heartbeat": "now", "pid": 1}')
    mixed.write("sweeps/mixed.control.json", b'{"stop": true}')
    mixed.write("sweeps/mixed.study.json", b'{"space": "i"}')
    stored = inventory(mixed, columns=COLUMNS)
    assert sorted(stored.skipped) == [
        "sweeps/clock.json",
        "sweeps/text.json",
        "sweeps/torn.parquet",
        "trials/copy.parquet",
        "trials/torn.parquet",
    ]
    assert len(stored.trials) == 6
    assert stored.sweeps == ["mixed"]
    lines = skipped_lines(stored.skipped)
    assert lines[0] == "left out, as unreadable: 5 files of the store"
    assert lines[4].startswith("  trials/copy.parquet: does not hold the one row")


def test_nothing_there_says_where_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=rf"no sweep in {tmp_path}: .*python -m sweep\.table1"):
        inventory(Store(tmp_path))


def test_an_unknown_sweep_names_the_nearest(mixed: Store) -> None:
    with pytest.raises(UsageError, match="unknown sweep 'mixd'; did you mean: mixed"):
        inventory(mixed, sweep="mixd")


def test_a_bucket_is_read_too(bucket_root: str, mixed: Store) -> None:
    bucket = Store(bucket_root)
    for folder in ("trials", "sweeps"):
        for file in mixed.list(folder):
            content = mixed.read(file.path)
            assert content is not None
            bucket.write(file.path, content)
    in_folder, in_bucket = (inventory(store, sweep="mixed").trials for store in (mixed, bucket))
    assert repr(in_folder) == repr(in_bucket), "as text, because one holds NaN"
