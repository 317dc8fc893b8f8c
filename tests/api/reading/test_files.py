"""Files as a snapshot keeps them: when one is read again, and what a plan's rows stand for."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from api.reading import files as files_module
from api.reading.files import KnownFile, read_known, table_of
from api.reading.snapshot import NotFound, Snapshot, Watcher, trial_record
from sweep.report.states import status_counts
from sweep.store.store import Store, StoredFile, StoreError
from tests.api.servers import serving
from tests.api.stores import age, identity, write_plan, write_trial


class Clock:
    """A monotonic clock that stands until it is set."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds

    def time_ns(self) -> int:
        return time.time_ns()


@pytest.fixture
def planned(tmp_path: Path) -> tuple[Store, list[str]]:
    """A settled store of two finished trials and their plan."""
    store = Store(tmp_path)
    trials = [identity("C_32-32", "sn", seed) for seed in range(2)]
    for who in trials:
        write_trial(store, who)
    write_plan(store, "demo", trials)
    age(tmp_path)
    return store, [who["trial_id"] for who in trials]


def failing(monkeypatch: pytest.MonkeyPatch, path: str, errors: list[str]) -> list[str]:
    """Lets reads of a path fail with these errors, one after the other; the list of its reads."""
    reads: list[str] = []
    original = Store.read

    def read(self: Store, wanted: str) -> bytes | None:
        if wanted == path:
            reads.append(wanted)
            if errors:
                raise StoreError(errors.pop(0))
        return original(self, wanted)

    monkeypatch.setattr(Store, "read", read)
    return reads


def current(watcher: Watcher) -> Snapshot:
    watcher.refresh()
    assert watcher.current is not None
    return watcher.current


def test_a_read_that_fails_is_tried_again_with_a_growing_pause(
    planned: tuple[Store, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, (trial_id, _) = planned
    clock = Clock()
    monkeypatch.setattr(files_module, "time", clock)
    monkeypatch.setattr("api.reading.snapshot.time", clock)
    reads = failing(monkeypatch, f"trials/{trial_id}.parquet", ["reset", "reset", "throttled"])
    watcher = Watcher(store)
    first = current(watcher)
    assert first.records[trial_id]["status"] == "unreadable"
    assert first.records[trial_id]["traceback"] == "reset"
    assert first.records[trial_id]["seed"] == 0
    assert first.skipped == {f"trials/{trial_id}.parquet": "reset"}
    assert current(watcher) is first
    assert len(reads) == 1
    pauses = []
    for _ in range(2):
        before = clock.seconds
        while len(reads) == len(pauses) + 1:
            clock.seconds += 0.5
            current(watcher)
        pauses.append(clock.seconds - before)
    assert pauses == [1.0, 2.0]
    assert current(watcher).records[trial_id]["traceback"] == "throttled"
    clock.seconds += 4.0
    last = current(watcher)
    # What could be read is no news any more.
    assert last.records[trial_id]["status"] == "collapsed"
    assert last.skipped == {}
    clock.seconds += 1000.0
    assert current(watcher) is last
    assert len(reads) == 4


def test_pauses_have_an_end(
    planned: tuple[Store, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, (trial_id, _) = planned
    clock = Clock()
    monkeypatch.setattr(files_module, "time", clock)
    failing(monkeypatch, f"trials/{trial_id}.parquet", ["reset"] * 50)
    (file, *_) = store.list("trials")
    known: dict[str, KnownFile] = {}
    for _ in range(20):
        (known[file.path],) = read_known(store, [file], known)
    trouble = known[file.path].trouble
    assert trouble is not None
    assert (trouble.failures, trouble.read_again_at - clock.seconds) == (20, 60.0)
    changed = StoredFile(file.path, file.size + 1, file.mtime_ns)
    assert known[file.path].is_fresh(file, clock.seconds)
    assert not known[file.path].is_fresh(changed, clock.seconds)
    (again,) = read_known(store, [changed], known)
    assert again.trouble is not None
    assert again.trouble.failures == 1


def test_an_unreadable_trial_is_counted_everywhere_and_never_as_planned(
    planned: tuple[Store, list[str]],
) -> None:
    store, (trial_id, other) = planned
    path = f"trials/{trial_id}.parquet"
    store.write(path, b"half a fi")
    store.write("trials/lonely.parquet", b"half a fi")
    age(Path(store.base))
    with serving(Path(store.base)) as http:
        ready = http.get("/readyz").json()
        assert (ready["skipped"], ready["unreadable"], ready["trials"]) == (2, 1, 2)
        (item,) = http.get("/results?status=unreadable").json()["items"]
        assert (item["trial_id"], item["seed"], item["iteration"]) == (trial_id, 0, None)
        detail = http.get(f"/trials/{trial_id}").json()
        assert detail["status"] == "unreadable"
        assert "Parquet" in detail["traceback"]
        assert detail["verdict"]["healthy"] is None
        assert http.get("/sweeps/demo").json()["counts"] == {"collapsed": 1, "unreadable": 1}
        page = http.get("/view/sweeps/demo").text
        assert "unreadable" in page
        page = " ".join(http.get(f"/view/trials/{trial_id}").text.split())
        assert "unreadable" in page
        assert "<dd>not known of 1500 iterations" in page
        missing = http.get("/trials/lonely")
        assert missing.status_code == 404
        assert "cannot be read" in missing.json()["detail"]
        assert http.get("/results?status=planned").json()["items"] == []
    snapshot = current(Watcher(store))
    assert status_counts(row["status"] for row in snapshot.records.values()) == {
        "collapsed": 1,
        "unreadable": 1,
    }
    assert trial_record(snapshot, other)["status"] == "collapsed"
    with pytest.raises(NotFound, match=r"lonely.* cannot be read"):
        trial_record(snapshot, "lonely")


def test_rows_keep_their_identity_while_their_files_do(planned: tuple[Store, list[str]]) -> None:
    store, (trial_id, other) = planned
    store.write(f"trials/{trial_id}.parquet", b"half a fi")
    write_plan(store, "more", [identity("C_32-32", "sn", 7)])
    age(Path(store.base))
    watcher = Watcher(store)
    first = current(watcher)
    write_trial(store, identity("C_32-32", "sn", 9))
    second = current(watcher)
    assert second is not first
    for key, row in first.records.items():
        assert second.records[key] is row
    assert {row["status"] for row in first.records.values()} == {
        "unreadable", "planned", "collapsed",
    }  # fmt: skip
    assert other in second.records


def test_a_plan_of_which_a_row_is_odd_keeps_the_others(planned: tuple[Store, list[str]]) -> None:
    store, ids = planned
    rows: list[dict[str, Any]] = store.read_rows("sweeps", "demo")
    store.write_rows("sweeps", "demo", [rows[0], rows[1] | {"seed": None}])
    snapshot = current(Watcher(store))
    assert [row["trial_id"] for row in snapshot.plans["demo"]] == ids[:1]
    assert "1 of 2 rows left out: row 2: seed is null" in snapshot.skipped["sweeps/demo.parquet"]


def test_tables_of_files() -> None:
    names = ("trials/a.parquet", "sweeps/a.parquet", "sweeps/a.json", "trials/notes.txt")
    assert [table_of(StoredFile(name, 0, 0)) for name in names] == ["trials", "sweeps", None, None]
