"""The watcher: what a pass sees, skips, and does not read again."""

from __future__ import annotations

import logging
from pathlib import Path

import httpx2
import pyarrow.parquet as pq
import pytest

from api.reading.snapshot import Snapshot, Watcher
from sweep.store.store import Store
from tests.api.servers import serving, wait_for
from tests.api.stores import age, identity, png, write_driver, write_plan, write_trial


def look(store: Store) -> Snapshot:
    watcher = Watcher(store)
    watcher.refresh()
    assert watcher.error is None
    assert watcher.current is not None
    return watcher.current


def test_the_id_follows_from_content_alone(tmp_path: Path) -> None:
    root = tmp_path / "results"
    store, who = Store(root), identity("C_32-32", "sn", 0)
    empty = look(store)
    assert not empty.exists
    write_trial(store, who)
    one = look(store)
    age(root)
    write_trial(store, who)
    assert look(store).id == one.id != empty.id
    write_trial(store, who, "running")
    assert look(store).id != one.id


def test_only_what_changed_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    trials = [identity("C_32-32", "sn", seed) for seed in range(3)]
    for who in trials:
        write_trial(store, who)
    age(tmp_path)
    read: list[str] = []

    def counted(self: Store, path: str) -> bytes | None:
        read.append(path)
        return original(self, path)

    original = Store.read
    monkeypatch.setattr(Store, "read", counted)
    watcher = Watcher(store)
    watcher.refresh()
    assert len(read) == 3
    first = watcher.current
    watcher.refresh()
    assert len(read) == 3
    assert watcher.current is first
    write_trial(store, trials[1], "running")
    path = f"trials/{trials[1]['trial_id']}.parquet"
    watcher.refresh()
    watcher.refresh()
    # Read on both passes: it is so young that its time could hide a second change.
    assert read[3:] == [path, path]
    assert watcher.current is not None
    assert watcher.current.records[trials[1]["trial_id"]]["status"] == "running"
    (tmp_path / path).unlink()
    watcher.refresh()
    assert len(watcher.current.records) == 2


def test_damaged_and_foreign_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = Store(tmp_path)
    good, cut, other = (identity("C_32-32", "sn", seed) for seed in range(3))
    for who in (good, cut, other):
        write_trial(store, who)
    path = tmp_path / f"trials/{cut['trial_id']}.parquet"
    path.write_bytes(path.read_bytes()[:-200])
    (tmp_path / f"trials/{other['trial_id']}.parquet").rename(tmp_path / "trials/alias.parquet")
    (tmp_path / "trials/notes.txt").write_text("hello")
    (tmp_path / "trials/other.parquet").write_bytes(b"")
    write_plan(store, "demo", [good])
    store.write("sweeps/broken.json", b'{"sweep": "broken", "state"')
    store.write("sweeps/demo.control.json", b"{}")
    store.write("sweeps/demo.study.json", b"{}")
    store.write("trials/.hidden", b"")
    watcher = Watcher(store)
    with caplog.at_level(logging.WARNING):
        watcher.refresh()
        watcher.refresh()
    assert watcher.current is not None
    assert list(watcher.current.records) == [good["trial_id"]]
    bad = {
        f"trials/{cut['trial_id']}.parquet", "trials/alias.parquet", "trials/notes.txt",
        "trials/other.parquet", "sweeps/broken.json",
    }  # fmt: skip
    assert set(watcher.current.skipped) == bad
    logged = [record.getMessage() for record in caplog.records]
    assert len(logged) == len(bad)
    assert all(any(path in line for line in logged) for path in bad)


def test_a_text_that_is_none_costs_its_own_trial_alone(tmp_path: Path, with_host) -> None:
    """Rows are made of many files at once; such a text is seen only then."""
    store = Store(tmp_path)
    trials = [identity("C_32-32", "sn", seed) for seed in range(3)]
    for who in trials:
        write_trial(store, who)
    path = tmp_path / f"trials/{trials[1]['trial_id']}.parquet"
    table = pq.ParquetFile(path).read(use_threads=False)
    pq.write_table(with_host(table, b"\xff"), path)
    snapshot = look(store)
    assert [*snapshot.ids] == sorted(who["trial_id"] for who in (trials[0], trials[2]))
    (problem,) = snapshot.skipped.values()
    assert "utf-8" in problem


def test_served_beside_damage(tmp_path: Path) -> None:
    store, who = Store(tmp_path), identity("C_32-32", "sn", 0)
    write_trial(store, who)
    trial_id = who["trial_id"]
    for folder in ("evaluations", "spectra", "outputs"):
        (tmp_path / f"{folder}/{trial_id}.parquet").write_bytes(b"PAR1 no")
    (tmp_path / f"samples/{trial_id}/0.png").write_bytes(png(0)[:-5])
    (tmp_path / "trials/notes.txt").write_text("hello")
    with serving(tmp_path) as http:
        ready = http.get("/readyz").json()
        assert (ready["ready"], ready["trials"], ready["skipped"]) == (True, 1, 1)
        assert ready["skipped_files"] == {"trials/notes.txt": "not a file of the store"}
        for path in ("evaluations", "spectra", "outputs", "samples/0"):
            response = http.get(f"/trials/{trial_id}/{path}")
            assert response.status_code == 500
            assert "cannot be read" in response.json()["detail"]
        for path in ("/results", "/table2", "/paper", "/", f"/view/trials/{trial_id}"):
            assert http.get(path).status_code == 200


def test_no_store_yet(tmp_path: Path) -> None:
    root = tmp_path / "later"
    with serving(root) as http:
        assert http.get("/healthz").json() == {"status": "ok"}
        ready = http.get("/readyz")
        assert ready.status_code == 503
        assert str(root) in ready.json()["reason"]
        assert http.get("/results").json()["items"] == []
        assert len(http.get("/table2").json()["items"]) == 26
        assert "make demo" in http.get("/").text
        assert "unknown sweep" in http.get("/results?sweep=x").json()["detail"]
        write_trial(Store(root), identity("C_32-32", "sn", 0))
        wait_for(lambda: http.get("/readyz").status_code == 200)
        assert len(http.get("/results").json()["items"]) == 1


def test_while_a_sweep_is_writing(tmp_path: Path) -> None:
    store, who = Store(tmp_path), identity("C_32-32", "sr-static", 0)
    write_plan(store, "live", [who])
    write_driver(store, "live")

    def status(http: httpx2.Client) -> str:
        return http.get("/results?sweep=live").json()["items"][0]["status"]

    with serving(tmp_path) as http:
        assert status(http) == "planned"
        tag = http.get("/sweeps/live").headers["etag"]
        for next_status in ("running", "completed"):
            write_trial(store, who, next_status)
            wait_for(lambda next_status=next_status: status(http) == next_status)
        response = http.get("/sweeps/live", headers={"If-None-Match": tag})
        assert response.status_code == 200
        assert response.json()["progress"]["share"] == 1.0


def test_a_store_that_goes_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    write_trial(store, identity("C_32-32", "sn", 0))
    watcher = Watcher(store)
    watcher.refresh()

    def fails(self: Store, folder: str) -> list[object]:
        raise OSError("no route to host")

    monkeypatch.setattr(Store, "list", fails)
    watcher.refresh()
    assert watcher.error == f"cannot list {tmp_path}: no route to host"
    assert watcher.current is not None
    assert len(watcher.current.records) == 1


def test_a_store_that_vanishes_and_comes_back(tmp_path: Path) -> None:
    root, away = tmp_path / "results", tmp_path / "away"
    write_trial(Store(root), identity("C_32-32", "sn", 0))
    (root / "trials/foreign.parquet").write_bytes(b"PAR1 no")

    def held(http: httpx2.Client) -> tuple[int, int, str]:
        ready = http.get("/readyz")
        (line,) = (
            one
            for one in http.get("/metrics").text.splitlines()
            if one.startswith('sweep_store_unreadable_files{table="trials"} ')
        )
        return ready.status_code, ready.json()["trials"], line.split()[1]

    with serving(root) as http:
        first = http.get("/results").json()
        assert held(http) == (200, 1, "1")
        root.rename(away)
        wait_for(lambda: held(http) == (503, 0, "0"))
        assert str(root) in http.get("/readyz").json()["reason"]
        assert http.get("/results").json()["items"] == []
        assert http.get(f"/trials/{first['items'][0]['trial_id']}").status_code == 404
        away.rename(root)
        wait_for(lambda: held(http) == (200, 1, "1"))
        assert http.get("/results").json() == first


@pytest.mark.parametrize("size", [0, 4, 8, 100, -9, -1])
def test_files_that_were_cut_anywhere(tmp_path: Path, size: int) -> None:
    store, who = Store(tmp_path), identity("C_32-32", "sn", 0)
    write_trial(store, who)
    write_plan(store, "demo", [who])
    for path in (f"trials/{who['trial_id']}.parquet", "sweeps/demo.parquet"):
        (tmp_path / path).write_bytes((tmp_path / path).read_bytes()[:size])
    snapshot = look(store)
    assert len(snapshot.skipped) == 2
    assert not snapshot.records
