"""Files that are read when a request needs them: how often, and how many at a time."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from api.reading import on_demand
from sweep.store.read_files import BUCKET_READERS, side_by_side
from sweep.store.store import Store
from tests.api.counting import counting_store
from tests.api.stores import identity, write_trial


def test_evaluations_of_a_known_version_are_one_request(tmp_path: Path) -> None:
    who = identity("C_32-32", "sn", 0)
    write_trial(Store(tmp_path), who)
    store, fs = counting_store(tmp_path)
    rows = on_demand.evaluations(store, who["trial_id"], version="v")
    assert [row["iteration"] for row in rows] == sorted(row["iteration"] for row in rows)
    assert on_demand.evaluations(store, who["trial_id"], version="v") is rows
    assert fs.take() == {("read", "evaluations"): 1}
    assert on_demand.evaluations(store, who["trial_id"], version="") == []
    assert fs.take() == {}
    on_demand.evaluations(store, who["trial_id"])
    assert fs.take() == {("stat", "evaluations"): 1, ("read", "evaluations"): 1}


def test_a_weight_is_about_that_of_whole_evaluations(tmp_path: Path) -> None:
    store, who = Store(tmp_path), identity("C_32-32", "sn", 0)
    write_trial(store, who)
    rows = on_demand.evaluations(store, who["trial_id"])
    assert 3000 < on_demand._weight(rows) / len(rows) < 6600  # pyright: ignore[reportPrivateUsage]
    assert on_demand._weight([]) == 0  # pyright: ignore[reportPrivateUsage]


def test_a_bucket_is_read_several_at_a_time(tmp_path: Path) -> None:
    store, _ = counting_store(tmp_path)
    together = threading.Barrier(BUCKET_READERS)

    def read(k: int) -> int:
        together.wait(30)  # breaks unless so many are there at once
        return k

    many = range(2 * BUCKET_READERS)
    assert side_by_side(store, read, many) == list(many)


def test_a_failure_of_one_is_raised(tmp_path: Path) -> None:
    def read(k: int) -> int:
        if k == 3:
            raise ValueError("no")
        return k

    for store in (Store(tmp_path), counting_store(tmp_path)[0]):
        with pytest.raises(ValueError, match="no"):
            side_by_side(store, read, range(5))
        assert side_by_side(store, read, []) == []
