"""Versions of files: one request for many, and a new one when a file changes."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pyarrow.fs as pafs
import pytest

from api.reading import listings
from api.reading.listings import FEW_FILES, listing, versions
from api.reading.on_demand import stamp, table_path
from api.reading.snapshot import Snapshot, Watcher
from sweep.store.store import Store, StoreError
from tests.api.counting import counting_store
from tests.api.stores import age, identity, write_trial


def snapshot_of(store: Store) -> Snapshot:
    watcher = Watcher(store)
    watcher.refresh()
    assert watcher.current is not None
    return watcher.current


@pytest.fixture
def filled_root(tmp_path: Path) -> Path:
    for seed in range(FEW_FILES + 1):
        write_trial(Store(tmp_path), identity("C_32-32", "sn", seed))
    age(tmp_path)
    return tmp_path


def test_many_files_are_one_request(filled_root: Path) -> None:
    store, fs = counting_store(filled_root)
    snapshot = snapshot_of(store)
    paths = [table_path("evaluations", trial_id) for trial_id in snapshot.ids]
    fs.take()
    many = versions(store, snapshot, paths)
    assert versions(store, snapshot, paths) == many
    assert fs.take() == {("list", "evaluations"): 1}
    assert many == {path: stamp(store, path) for path in paths}
    fs.take()
    few = versions(store, snapshot, paths[:FEW_FILES])
    assert fs.take() == {("stat", "evaluations"): FEW_FILES}
    assert few == {path: many[path] for path in few}


def test_of_a_folder_a_thousand_files_are_one_call_for_themselves(
    filled_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, fs = counting_store(filled_root)
    store.is_local = True
    snapshot = snapshot_of(store)
    paths = [table_path("evaluations", trial_id) for trial_id in snapshot.ids]
    paths.append("outputs/nothing.parquet")
    fs.take()
    asked: list[list[str]] = []
    monkeypatch.setattr(
        fs, "get_file_info", lambda t: asked.append(t) or fs.inner.get_file_info(t)
    )
    found = versions(store, snapshot, paths)
    assert len(asked) == 1
    assert found == {path: stamp(Store(filled_root), path) for path in paths}
    assert found.pop("outputs/nothing.parquet") == ""
    assert all(found.values())
    monkeypatch.setattr(listings, "FEW_OF_FOLDER", len(paths) - 1)
    assert versions(store, snapshot, paths[:-1]) == found
    assert isinstance(asked[-1], list)
    assert versions(store, snapshot, paths) == found | {"outputs/nothing.parquet": ""}
    assert isinstance(asked[-1], pafs.FileSelector)


def test_a_file_that_is_not_there_has_no_version(filled_root: Path) -> None:
    store = Store(filled_root)
    snapshot = snapshot_of(store)
    assert listing(store, snapshot, "evaluations").version("nothing") == ""
    assert versions(store, snapshot, ["outputs/nothing.parquet"]) == {
        "outputs/nothing.parquet": ""
    }


def test_all_who_ask_at_once_are_one_request(filled_root: Path) -> None:
    store, fs = counting_store(filled_root)
    snapshot = snapshot_of(store)
    fs.take()
    threads = [
        threading.Thread(target=listing, args=(store, snapshot, "spectra")) for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fs.take() == {("list", "spectra"): 1}


def test_the_next_snapshot_has_new_versions(filled_root: Path) -> None:
    store = Store(filled_root)
    snapshot = snapshot_of(store)
    before = listing(store, snapshot, "evaluations")
    who = identity("C_32-32", "sn", 0)
    write_trial(store, who, "running")
    assert listing(store, snapshot, "evaluations") is before
    after = listing(store, snapshot_of(store), "evaluations")
    changed = {t for t in before.versions if before.version(t) != after.version(t)}
    assert changed == {who["trial_id"]}
    assert before.digest != after.digest


def test_the_version_of_a_young_file_is_of_one_snapshot(tmp_path: Path) -> None:
    """A second change could have the same size and, as times are coarse, the same time."""
    store, who = Store(tmp_path), identity("C_32-32", "sn", 0)
    write_trial(store, who)
    first = snapshot_of(store)
    version = listing(store, first, "evaluations").version(who["trial_id"])
    path = tmp_path / table_path("evaluations", who["trial_id"])
    content, times = path.read_bytes(), path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    write_trial(store, identity("C_32-32", "sn", 1))
    second = snapshot_of(store)
    assert listing(store, second, "evaluations").version(who["trial_id"]) != version


def test_a_store_that_cannot_be_listed_is_asked_again(
    filled_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(filled_root)
    snapshot = snapshot_of(store)

    def away(folder: str) -> None:
        raise StoreError(f"cannot list {folder}")

    monkeypatch.setattr(store, "list", away)
    with pytest.raises(StoreError, match="cannot list outputs"):
        listing(store, snapshot, "outputs")
    monkeypatch.undo()
    assert listing(store, snapshot, "outputs").versions.keys() == set(snapshot.ids)
