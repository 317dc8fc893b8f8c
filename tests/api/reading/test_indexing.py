"""A big store without an index: another process reads it first."""

from __future__ import annotations

import functools
import logging
import threading
import time
from pathlib import Path

import pytest

from api.reading import indexing, snapshot
from api.reading.indexing import index_apart
from api.reading.snapshot import Snapshot, Watcher
from sweep.store.index import index_path
from sweep.store.store import Store
from tests.api.stores import age, identity, write_plan, write_trial


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Four trials, one of them in a damaged file, and a plan; as many files as are many."""
    monkeypatch.setattr(snapshot, "MANY_FILES", 5)
    store = Store(tmp_path / "results")
    trials = [identity("C_32-32", "sn", seed) for seed in range(4)]
    for who in trials:
        write_trial(store, who)
    write_plan(store, "table1", trials)
    path = tmp_path / f"results/trials/{trials[3]['trial_id']}.parquet"
    path.write_bytes(path.read_bytes()[:-200])
    age(tmp_path / "results")
    return store


def watched(store: Store, folder: Path | None) -> Snapshot:
    watcher = Watcher(store, folder, index_apart=functools.partial(index_apart, store, folder))
    watcher.start(patience=30)
    watcher.stop()
    assert watcher.current is not None
    return watcher.current


def alone(store: Store) -> Snapshot:
    watcher = Watcher(store)
    watcher.refresh()
    assert watcher.current is not None
    return watcher.current


def test_only_what_is_in_no_index_is_read_here(store: Store, read: list[str]) -> None:
    seen = watched(store, None)
    assert len(read) == 1  # the damaged file, which no index holds
    assert store.read(index_path("trials")) is not None
    assert seen.id == alone(store).id
    assert list(seen.skipped) == read[:1]


def test_the_copy_serves_where_the_store_may_only_be_read(
    store: Store, read: list[str], tmp_path: Path
) -> None:
    (Path(store.base) / "index").write_text("no folder")
    assert watched(store, tmp_path / "cache").id == alone(store).id
    assert len(read) == 1 + 4  # of which alone() reads all


def test_few_files_are_read_without_another_process(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "MANY_FILES", 6)
    monkeypatch.setattr(indexing.subprocess, "Popen", lambda *_, **__: pytest.fail("started"))
    assert watched(store, None).id == alone(store).id


@pytest.mark.parametrize("python", ["false", "/nowhere"])
def test_a_process_that_fails_is_said_and_nothing_is_missed(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, python: str
) -> None:
    monkeypatch.setattr(indexing.sys, "executable", python)
    with caplog.at_level(logging.WARNING, "api"):
        assert watched(store, None).id == alone(store).id
    assert "process" in caplog.text


def test_it_ends_with_the_service(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    real = indexing.subprocess.Popen
    monkeypatch.setattr(
        indexing.subprocess, "Popen", lambda _, **options: real(["sleep", "60"], **options)
    )
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    began = time.monotonic()
    index_apart(store, None, stop)
    assert time.monotonic() - began < 20
