"""Curves of distances: as stored, small, and read again only when their file has changed."""

from __future__ import annotations

import errno
import math
import subprocess
import sys
from pathlib import Path

import pytest

from api.reading.distances import _weight, curves, rows_of_curve
from api.reading.on_demand import table_path
from sweep.store.store import Store, StoreError
from tests.api.counting import counting_store
from tests.api.stores import curve, identity, write_trial

ROOT = Path(__file__).parents[3]


def stored(store: Store, **changes: object) -> str:
    who = identity("C_32-32", "sr-static", 0)
    rows = [{**row, **changes} for row in curve(who)]
    store.write_rows("evaluations", who["trial_id"], rows)
    return who["trial_id"]


def test_a_curve_has_the_distances_as_they_are_stored(tmp_path: Path) -> None:
    store = Store(tmp_path)
    who = identity("C_32-32", "sn", 0)
    rows = curve(who)
    rows[2]["fd_digits"], rows[3]["fd_digits"] = math.nan, None
    rows[4]["fid"] = 12.5
    store.write_rows("evaluations", who["trial_id"], rows[::-1])
    read = rows_of_curve(curves(store, {who["trial_id"]: "v"})[who["trial_id"]])
    assert [row["iteration"] for row in read] == [
        row["iteration"] for row in rows if row["fd_digits"] is not None
    ]
    by_iteration = {row["iteration"]: row for row in read}
    assert math.isnan(by_iteration[rows[2]["iteration"]]["fd_digits"])
    assert by_iteration[rows[4]["iteration"]]["fid"] == 12.5
    assert by_iteration[rows[5]["iteration"]] == {
        "iteration": rows[5]["iteration"], "fd_digits": rows[5]["fd_digits"], "fid": None,
        "fd_pictures": None,
    }  # fmt: skip


def test_a_curve_is_read_once_for_each_version(tmp_path: Path) -> None:
    store, fs = counting_store(tmp_path)
    trial_id = stored(Store(tmp_path))
    first = curves(store, {trial_id: "1"})
    assert fs.take() == {("read", "evaluations"): 1}
    stored(Store(tmp_path), fd_digits=7.0)
    assert curves(store, {trial_id: "1"})[trial_id] is first[trial_id]
    assert fs.take() == {}
    changed = rows_of_curve(curves(store, {trial_id: "2"})[trial_id])
    assert {row["fd_digits"] for row in changed} == {7.0}


def test_a_trial_without_a_file_asks_nothing(tmp_path: Path) -> None:
    store, fs = counting_store(tmp_path)
    assert curves(store, {"nothing": ""}) == {"nothing": {}}
    assert fs.take() == {}
    assert curves(store, {}) == {}


def test_fifty_evaluations_take_less_than_two_kilobytes(tmp_path: Path) -> None:
    store, who = Store(tmp_path), identity("C_32-32", "sn", 1)
    rows = curve(who) * 3
    rows = [{**row, "iteration": 10 * k} for k, row in enumerate(rows[:50])]
    store.write_rows("evaluations", who["trial_id"], rows)
    (read,) = curves(store, {who["trial_id"]: "v"}).values()
    assert len(rows_of_curve(read)) == 50
    assert _weight(read) < 2000


def test_curves_need_no_pandas(tmp_path: Path) -> None:
    """Which takes 40 MiB, and a second to start."""
    trial_id = stored(Store(tmp_path))
    code = (
        "import sys; from api.reading.distances import curves\n"
        "from sweep.store.store import Store\n"
        f"assert curves(Store({str(tmp_path)!r}), {{{trial_id!r}: 'v'}})[{trial_id!r}]\n"
        "assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=60)


def test_a_row_without_an_iteration_is_damage(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(tmp_path)
    trial_id = stored(store, iteration=None)
    assert curves(store, {trial_id: "v"}) == {trial_id: {}}
    assert "a row has no iteration" in caplog.text


@pytest.mark.parametrize("content", [b"", b"PAR1 nothing PAR1"])
def test_a_damaged_file_is_named_and_has_no_distances(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    store = Store(tmp_path)
    trial_id = stored(store)
    store.write(table_path("evaluations", "damaged"), content)
    read = curves(store, {"damaged": "v", trial_id: "v"})
    assert read["damaged"] == {}
    assert read[trial_id] != {}
    assert "evaluations/damaged.parquet cannot be read" in caplog.text


def test_a_file_of_another_trial_is_damaged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(tmp_path)
    trial_id = stored(store)
    content = store.read(table_path("evaluations", trial_id))
    assert content is not None
    store.write(table_path("evaluations", "other"), content)
    assert curves(store, {"other": "v"}) == {"other": {}}
    assert "rows of another trial" in caplog.text


def test_a_store_that_is_away_is_no_empty_curve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else Table II would lose its pairs until a trial changes."""
    store = Store(tmp_path)
    write_trial(store, who := identity("C_32-32", "sn", 0))

    def away(path: str) -> bytes:
        raise StoreError(errno.ETIMEDOUT, "timed out")

    monkeypatch.setattr(store, "read", away)
    with pytest.raises(StoreError):
        curves(store, {who["trial_id"]: "v"})
    monkeypatch.undo()
    assert curves(store, {who["trial_id"]: "v"})[who["trial_id"]] != {}
