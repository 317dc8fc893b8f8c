"""Courses are those of the files, whatever became of a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.paper.courses import NOTHING, courses
from api.reading.snapshot import Snapshot
from api.web.service import open_service
from sweep.store.store import Store
from tests.api.paper.contest_store import write_run


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    write_run(store, "sn", 0, fell=True, spectrum=0.5)
    write_run(store, "sn", 1, fell=True, spectrum=0.5)
    return store


def snapshot_of(store: Store, cache: Path) -> Snapshot:
    service = open_service(store, cache)
    service.watcher.refresh()
    assert service.watcher.current is not None
    return service.watcher.current


def test_ends_and_alarms_of_a_run(store: Store, tmp_path: Path) -> None:
    snapshot = snapshot_of(store, tmp_path / "cache")
    record = next(iter(snapshot.records.values()))
    (course,) = courses(store, snapshot, [record])
    rows = store.read_rows("evaluations", record["trial_id"])
    assert course.first is not None
    assert course.last is not None
    assert course.first["mean_ratio"] == rows[0]["mean_ratio"]
    assert course.last["d_real"] == rows[-1]["d_real"]
    # Three evaluations in a row at half, the first of them at 300.
    sigma = dict(course.alarms_of()["sigma rule"])
    assert sigma[375] == 0
    assert sigma[450] == pytest.approx(0.5)


def test_a_damaged_file_has_no_course(store: Store, tmp_path: Path) -> None:
    snapshot = snapshot_of(store, tmp_path / "cache")
    record = next(iter(snapshot.records.values()))
    store.write(f"evaluations/{record['trial_id']}.parquet", b"PAR1")
    snapshot = snapshot_of(store, tmp_path / "cache")
    assert courses(store, snapshot, [record]) == [NOTHING]
