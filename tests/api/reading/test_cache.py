"""The cache of a store's trials: what is taken over, and what is never trusted."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from api.reading import cache
from api.reading.snapshot import Snapshot, Watcher
from sweep.store.store import Store
from tests.api.stores import age, identity, write_trial


def seen(store: Store, path: Path) -> Snapshot:
    """What a service has after its first pass; it keeps that when it ends."""
    watcher = Watcher(store, path)
    watcher.start(patience=20)
    watcher.stop()
    assert watcher.current is not None
    return watcher.current


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The trials that have been read from the store so far."""
    paths: list[str] = []
    original = Store.read

    def counted(self: Store, path: str) -> bytes | None:
        paths.extend([path] if path.startswith("trials/") else [])
        return original(self, path)

    monkeypatch.setattr(Store, "read", counted)
    return paths


@pytest.fixture
def kept(tmp_path: Path, read: list[str]) -> tuple[Store, Path, Snapshot]:
    """A store of four trials, what was kept of it, and the snapshot that it was kept from."""
    store = Store(tmp_path / "results")
    for seed in range(4):
        write_trial(store, identity("C_32-32", "sn", seed), ("completed", "failed")[seed % 2])
    age(tmp_path / "results")
    path = cache.cache_path(tmp_path / "cache", store)
    first = seen(store, path)
    assert len(read) == 4
    read.clear()
    return store, path, first


def test_a_warm_start_reads_no_trial_and_sees_the_same(
    kept: tuple[Store, Path, Snapshot], read: list[str]
) -> None:
    store, path, first = kept
    again = seen(store, path)
    assert read == []
    assert again.id == first.id
    # By text, because NaN is unequal to itself.
    assert repr(again.records) == repr(first.records)
    assert path.stat().st_mode & 0o077 == 0
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert not list(Path(store.root).rglob("*cache*"))


def test_what_changed_meanwhile_is_read(
    kept: tuple[Store, Path, Snapshot], read: list[str]
) -> None:
    store, path, first = kept
    changed, gone, *_ = first.ids
    (row,) = store.read_rows("trials", changed)
    store.write_rows("trials", changed, [row | {"host": "other"}])
    store.delete(f"trials/{gone}.parquet")
    write_trial(store, identity("C_32-32", "sn", 9))
    read.clear()
    now = seen(store, path)
    assert len(set(read)) == 2
    assert now.records[changed]["host"] == "other"
    assert gone not in now.records
    assert len(now.records) == 4


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "foreign", "version", "schema"])
def test_what_cannot_be_trusted_is_not_used(
    kept: tuple[Store, Path, Snapshot],
    read: list[str],
    damage: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store, path, first = kept
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
        case "version":
            monkeypatch.setattr("api.reading.cache.code_version", lambda: "another")
        case "schema":
            monkeypatch.setattr("api.reading.cache.SCHEMA_VERSION", 99)
    with caplog.at_level(logging.INFO):
        again = seen(store, path)
    assert len(read) == 4
    assert again.id == first.id
    assert f"{path} is not used" in caplog.text
    read.clear()
    seen(store, path)
    assert read == []


def test_young_files_are_not_kept(tmp_path: Path, read: list[str]) -> None:
    store = Store(tmp_path / "results")
    write_trial(store, identity("C_32-32", "sn", 0))
    path = cache.cache_path(tmp_path / "cache", store)
    seen(store, path)
    assert not path.exists()


def test_a_folder_that_cannot_be_written_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(tmp_path / "results")
    write_trial(store, identity("C_32-32", "sn", 0))
    age(tmp_path / "results")
    (tmp_path / "cache").write_text("not a folder")
    with caplog.at_level(logging.WARNING):
        assert len(seen(store, cache.cache_path(tmp_path / "cache", store)).records) == 1
    assert "nothing is kept for the next start" in caplog.text


def test_a_file_per_store(tmp_path: Path) -> None:
    paths = {cache.cache_path(tmp_path, Store(tmp_path / name)) for name in ("a", "b", "a")}
    assert len(paths) == 2


def test_the_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.default_folder() == tmp_path / "srgan-sweep"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert cache.default_folder() == Path("/home/somebody/.cache/srgan-sweep")
