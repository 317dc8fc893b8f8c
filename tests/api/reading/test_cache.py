"""The index of a store and the private copy of it: what is taken over, what is never trusted."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest

from api.reading import cache
from api.reading.snapshot import Snapshot, Watcher
from sweep.store import index
from sweep.store.store import Store
from tests.api.stores import age, identity, write_trial


def seen(store: Store, folder: Path) -> Snapshot:
    """What a service has after its first pass; it keeps that when it ends."""
    watcher = Watcher(store, folder)
    watcher.start(patience=20)
    watcher.stop()
    assert watcher.current is not None
    return watcher.current


@pytest.fixture(params=["in the store", "privately"])
def kept(
    request: pytest.FixtureRequest, tmp_path: Path, read: list[str]
) -> tuple[Store, Path, Path, Snapshot]:
    """A store of four trials, the cache's folder, the file in which the trials are kept, and the
    snapshot that they were kept from. A store whose `index` is a file cannot be written there."""
    store = Store(tmp_path / "results")
    for seed in range(4):
        write_trial(store, identity("C_32-32", "sn", seed), ("completed", "failed")[seed % 2])
    age(tmp_path / "results")
    folder = tmp_path / "cache"
    path = tmp_path / "results/index/trials.parquet"
    if request.param == "privately":
        (tmp_path / "results/index").write_text("no folder")
        path = cache.cache_path(folder, store, "trials")
    first = seen(store, folder)
    assert len(read) == 4
    assert path.exists()
    read.clear()
    return store, folder, path, first


def test_a_warm_start_reads_no_trial_and_sees_the_same(
    kept: tuple[Store, Path, Path, Snapshot], read: list[str]
) -> None:
    store, folder, path, first = kept
    again = seen(store, folder)
    assert read == []
    assert again.id == first.id
    # By text, because NaN is unequal to itself.
    assert repr(again.records) == repr(first.records)
    if folder in path.parents:
        assert path.stat().st_mode & 0o077 == 0
        assert [p.name for p in folder.iterdir()] == [path.name]
    else:
        assert not folder.exists()


def test_what_changed_meanwhile_is_read(
    kept: tuple[Store, Path, Path, Snapshot], read: list[str]
) -> None:
    store, folder, _, first = kept
    changed, gone, *_ = first.ids
    (row,) = store.read_rows("trials", changed)
    store.write_rows("trials", changed, [row | {"host": "other"}])
    store.delete(f"trials/{gone}.parquet")
    write_trial(store, identity("C_32-32", "sn", 9))
    read.clear()
    now = seen(store, folder)
    assert len(set(read)) == 2
    assert now.records[changed]["host"] == "other"
    assert gone not in now.records
    assert len(now.records) == 4


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "foreign", "rules", "schema"])
def test_what_cannot_be_trusted_is_not_used(
    kept: tuple[Store, Path, Path, Snapshot],
    read: list[str],
    damage: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, folder, path, first = kept
    raw = path.read_bytes()
    match damage:
        case "cut":
            path.write_bytes(raw[:-10])
        case "flipped":
            path.write_bytes(raw[:900] + bytes([raw[900] ^ 1]) + raw[901:])
        case "empty":
            path.write_bytes(b"")
        case "foreign":
            path.write_bytes(b"PAR1" * 100)
        case "rules":
            monkeypatch.setitem(index.VERSIONS, "rules_version", "99")
        case "schema":
            monkeypatch.setitem(index.VERSIONS, "schema_version", "99")
    again = seen(store, folder)
    assert len(read) == 4
    assert again.id == first.id
    read.clear()
    seen(store, folder)
    assert read == []


def test_young_files_are_not_kept(tmp_path: Path, read: list[str]) -> None:
    store = Store(tmp_path / "results")
    write_trial(store, identity("C_32-32", "sn", 0))
    seen(store, tmp_path / "cache")
    assert not (tmp_path / "results/index").exists()
    assert not (tmp_path / "cache").exists()


def test_a_folder_that_cannot_be_written_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(tmp_path / "results")
    write_trial(store, identity("C_32-32", "sn", 0))
    age(tmp_path / "results")
    (tmp_path / "results/index").write_text("not a folder")
    (tmp_path / "cache").write_text("not a folder")
    with caplog.at_level(logging.WARNING):
        assert len(seen(store, tmp_path / "cache").records) == 1
    assert "nothing is kept for the next start" in caplog.text


def test_a_file_per_store_and_table(tmp_path: Path) -> None:
    stores = [Store(tmp_path / name) for name in ("a", "b", "a")]
    paths = {cache.cache_path(tmp_path, store, t) for store in stores for t in index.INDEXED}
    assert len(paths) == 4


def test_an_index_that_cannot_be_made_is_logged_and_hides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(tmp_path / "results")
    write_trial(store, identity("C_32-32", "sn", 0))
    age(tmp_path / "results")

    def fail(*_: object) -> bytes:
        raise RuntimeError("no index today")

    monkeypatch.setattr(index, "NEW_FILES", 0)
    monkeypatch.setattr(index, "encoded", fail)
    watcher = Watcher(store)
    with caplog.at_level(logging.ERROR):
        watcher.start(patience=20)
        deadline = time.monotonic() + 20
        while "no index today" not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.02)
    assert watcher.error is None
    assert watcher.current is not None
    assert len(watcher.current.records) == 1
    watcher.stop()
