"""Table II: what is read for it, how often, and beforehand."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import httpx2
import pytest

from api.paper.table2 import setting_scores, table_rows, warm
from api.reading.snapshot import Snapshot
from api.web.service import Service, open_service
from sweep.store.store import Store, StoreError
from tests.api.counting import CountingFileSystem, counting_store
from tests.api.servers import serving, wait_for
from tests.api.stores import age, fill, identity, write_trial

SETTINGS = ("C_32-32", "B_64-64", "A_64-128")
# SN and three other methods of each setting, two seeds.
IN_PAIRS = 24
CURVES = ("evaluations", "spectra", "outputs")


@pytest.fixture
def counted(tmp_path: Path) -> tuple[Service, CountingFileSystem]:
    """A service over a store that counts, with its first snapshot."""
    fill(tmp_path)
    store, fs = counting_store(tmp_path)
    service = open_service(store, None)
    service.watcher.refresh()
    fs.take()
    return service, fs


def snapshot_of(service: Service) -> Snapshot:
    assert service.watcher.current is not None
    return service.watcher.current


def test_the_table_is_one_listing_and_a_read_for_each_curve(
    counted: tuple[Service, CountingFileSystem],
) -> None:
    service, fs = counted
    snapshot = snapshot_of(service)
    rows = setting_scores(snapshot, service.store)
    assert fs.take() == {("list", "evaluations"): 1, ("read", "evaluations"): IN_PAIRS}
    assert sum(pair.n for row in rows for pair in row.pairs.get("digits", {}).values()) == 18
    assert table_rows(snapshot, service.store)
    assert fs.take() == {}


def test_a_change_in_every_setting_asks_for_no_file_alone(
    counted: tuple[Service, CountingFileSystem],
) -> None:
    service, fs = counted
    age(Path(service.store.base))
    service.watcher.refresh()
    setting_scores(snapshot_of(service), service.store)
    store = Store(service.store.base)
    for setting in SETTINGS:
        who = identity(setting, "sr-static", 0)
        write_trial(store, who)
        (row,) = store.read_rows("trials", who["trial_id"])
        store.write_rows("trials", who["trial_id"], [row | {"seconds": 1.0}])
    service.watcher.refresh()
    fs.take()
    assert setting_scores(snapshot_of(service), service.store)
    assert fs.take() == {("list", "evaluations"): 1, ("read", "evaluations"): len(SETTINGS)}


def test_a_curve_that_changes_alone_changes_the_table(
    counted: tuple[Service, CountingFileSystem],
) -> None:
    """The rows of trials are as before: the version of the curve alone says that it is new."""
    service, _ = counted
    store, who = Store(service.store.base), identity("B_64-64", "sr-static", 0)

    def difference() -> float | None:
        service.watcher.refresh()
        rows = {row.setting: row for row in setting_scores(snapshot_of(service), service.store)}
        return rows["B_64-64"].pairs["digits"]["sr-static"].seeds[0].difference

    before = difference()
    rows = store.read_rows("evaluations", who["trial_id"])
    changed = [{**row, "fd_digits": row["fd_digits"] + 100} for row in rows]
    store.write_rows("evaluations", who["trial_id"], changed)
    write_trial(store, identity("D_128-256", "sn", 0))  # another snapshot
    after = difference()
    assert before is not None
    assert after == pytest.approx(before + 100)


def test_a_store_that_is_away_makes_no_table(
    counted: tuple[Service, CountingFileSystem], monkeypatch: pytest.MonkeyPatch
) -> None:
    service, _ = counted
    snapshot = snapshot_of(service)

    def away(path: str) -> bytes:
        raise StoreError(errno.ETIMEDOUT, "timed out")

    monkeypatch.setattr(service.store, "read", away)
    with pytest.raises(StoreError):
        table_rows(snapshot, service.store)
    monkeypatch.undo()
    assert any(row.pairs for row in table_rows(snapshot, service.store))


def test_routes_of_many_trials_list_and_ask_for_no_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path)
    store, fs = counting_store(tmp_path)
    monkeypatch.setattr("api.app.Store", lambda root, patience: store)
    monkeypatch.setattr("api.app.warm", lambda service, stop: None)
    with serving(tmp_path) as http:
        wait_for(lambda: http.get("/readyz").status_code == 200)
        fs.take()
        assert http.get("/table2").status_code == 200
        assert fs.take(*CURVES) == {("list", "evaluations"): 1, ("read", "evaluations"): IN_PAIRS}
        for path in ("/claims", "/paper", "/figures/seeds", "/table2?format=csv"):
            etag = http.get(path).headers["etag"]
            assert http.get(path, headers={"If-None-Match": etag}).status_code == 304
        # What the figures' sentences are about beyond the pairs, each file once.
        assert set(fs.take(*CURVES)) == {("read", "evaluations")}
        for path in ("/claims", "/paper", "/figures/seeds", "/table2?format=csv"):
            assert http.get(path).status_code == 200
        assert fs.take(*CURVES) == {}
        every = "&".join(f"setting={name}" for name in SETTINGS)
        trials = http.get(f"/fig/7?{every}").json()["trials"]
        assert fs.take(*CURVES) == {
            ("list", "spectra"): 1,
            ("read", "spectra"): len(trials),
            ("read", "evaluations"): len(trials),
        }


def test_what_table_2_needs_is_read_beforehand(
    counted: tuple[Service, CountingFileSystem],
) -> None:
    service, fs = counted
    warm(service, threading.Event())
    fs.take()
    assert table_rows(snapshot_of(service), service.store)
    assert fs.take() == {}


def test_it_ends_with_the_service(counted: tuple[Service, CountingFileSystem]) -> None:
    service, fs = counted
    stop = threading.Event()
    stop.set()
    warm(service, stop)
    warm(open_service(service.store, None), stop)
    assert ("read", "evaluations") not in fs.take()


def test_table_2_has_pairs_at_the_best_and_at_the_matched_iteration(
    story: httpx2.Client, paper_text: str
) -> None:
    rows = {row["setting"]: row for row in story.get("/table2").json()["items"]}
    pair = rows["C_64-32"]["pairs"]["digits"]["sr-static"]
    assert pair["n"] == 3
    assert pair["best_interval"][0] < pair["best_mean"] < pair["best_interval"][1]
    bests = [seed["best_difference"] for seed in pair["seeds"]]
    assert pair["best_mean"] == pytest.approx(sum(bests) / 3)
    for value in (pair["best_mean"], pair["mean"]):
        assert f"{value:,.0f}".replace("-", "−") + " n=3" in paper_text
    for format in ("json", "csv", "parquet", "latex", "markdown"):
        address = "/table2" if format == "json" else f"/table2?format={format}"
        assert f'href="{address}"' in story.get("/paper").text
        assert story.get(address).status_code == 200
