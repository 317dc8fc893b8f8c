"""Troubles of one process and of several on one screen: when they are shown, and when not."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sweep.run import troubles
from sweep.run.troubles import Line, Report, by_place, news, watched
from sweep.store import retry
from sweep.store.retry import FULL, READ_ONLY, Trouble
from sweep.store.store import Store


def full(place: str = "r", began_at: float = 100.0, reason: str = "no room") -> Trouble:
    return Trouble(place, FULL, reason, 300.0, began_at)


def test_a_trouble_is_shown_once_it_lasts_then_every_minute_then_its_end() -> None:
    shown: dict[str, Line] = {}
    times = [101.0, 102.5, 130.0, 162.4, 163.0, 222.9, 223.1]
    lines = {now: news(shown, {"r": full()}, [], now) for now in times}
    assert {now for now in times if lines[now]} == {102.5, 163.0, 223.1}
    assert lines[102.5] == ["r has no room, trying again until there is: no room"]
    assert lines[163.0] == ["r has no room, for 63 s now, trying again until there is: no room"]
    assert news(shown, {}, ["r"], 230.0) == ["r is back after 130 s: what waited for it goes on"]
    assert shown == {}
    assert news(shown, {}, ["r"], 231.0) == []


def test_what_is_short_or_ends_unheard_of_is_not_shown() -> None:
    shown: dict[str, Line] = {}
    assert news(shown, {"r": full()}, [], 101.0) == []
    assert news(shown, {}, ["r"], 102.0) == []
    assert news(shown, {"r": full()}, [], 110.0) != []
    assert news(shown, {}, [], 111.0) == [], "its worker was killed"
    assert shown == {}


def test_one_place_takes_one_line() -> None:
    """The driver's own reason, since the first refusal; another place has another."""
    own, worker, other = full(began_at=105.0), full(began_at=90.0, reason="b"), full("temp")
    merged = by_place([own, worker, other])
    assert merged == {"r": full(began_at=90.0), "temp": other}
    assert len(news({}, merged, [], 110.0)) == 2


class Cluster:
    """A key-value store that is at hand without a cluster."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.contents: dict[str, bytes] = {}
        monkeypatch.setattr(troubles, "_publish", self.contents.__setitem__)
        monkeypatch.setattr(troubles, "_published", lambda: dict(self.contents))


@pytest.fixture
def cluster_store(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    for name in ("_troubled", "_refused", "_line_times", "_recovered"):
        monkeypatch.setattr(retry, name, {})
    return Cluster(monkeypatch)


def refused_since(monkeypatch: pytest.MonkeyPatch, *found: Trouble) -> None:
    monkeypatch.setattr(troubles, "troubles", lambda: list(found))


def test_a_driver_hears_of_its_workers(
    cluster_store: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    report, heard = troubles._reporter(), troubles._listener()
    report()
    assert cluster_store.contents == {}, "a worker without troubles reports nothing"
    now = time.monotonic()
    refused_since(monkeypatch, Trouble("r", READ_ONLY, "EROFS", 300.0, now - 5))
    report()
    ((found,),) = [report.troubles for report in heard(now)]
    assert (found.place, found.kind, found.patience) == ("r", READ_ONLY, 300.0)
    assert found.reason.startswith("EROFS (seen by ")
    assert found.began_at == pytest.approx(now - 5, abs=1)
    # Silent, as one that was killed.
    assert heard(now + troubles.SILENT_SECONDS) == []
    refused_since(monkeypatch)
    retry._recovered["r"] = time.monotonic()
    report()
    (after,) = heard(time.monotonic())
    assert (after.troubles, after.recovered) == ((), frozenset({"r"}))


def test_the_temporary_folder_is_watched(
    cluster_store: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    shortages = [None, "0 bytes are free", None, None]
    monkeypatch.setattr(troubles, "_job", lambda: "1")
    monkeypatch.setattr(troubles.temporary_folder, "folder", lambda: "/t")
    monkeypatch.setattr(troubles.temporary_folder, "shortage", lambda place: shortages.pop(0))
    look = troubles._temporary_folder()
    quiet = Report()
    assert look(10.0) == quiet
    (found,) = look(20.0).troubles
    line = retry.in_words(found, 21.0)
    assert line == (
        "/t has no room, trying again until there is: 0 bytes are free, and no further trial is "
        "started"
    )
    assert look(30.0) == Report((), frozenset({"/t"}))
    assert look(40.0) == quiet


def test_the_screen_while_the_driver_waits(
    small_disk: Path,
    remount: Callable[[Path, str], None],
    cluster_store: Cluster,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its main thread is in a write that waits, and the record hears of it too."""
    monkeypatch.setattr(troubles, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(troubles, "SHORT_SECONDS", 0.1)
    monkeypatch.setattr(retry, "FIRST_DELAY_SECONDS", 0.05)
    store = Store(small_disk / "r", 60)
    store.write("sweeps/a.json", b"1")
    lines: list[str] = []
    told: list[Any] = []

    def show(event: str, *, text: str) -> None:
        lines.append(text)
        remount(small_disk, "rw")

    def tell(**details: Any) -> None:
        told.append(details["trouble"])

    with watched(show, tell):
        remount(small_disk, "ro")
        store.write("sweeps/a.json", b"2")
        deadline = time.monotonic() + 60
        while len(lines) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert lines[0].startswith(f"{small_disk}/r cannot be written, trying again until it can: ")
    assert lines[1].startswith(f"{small_disk}/r is back after ")
    assert told == [lines[0], None]
    assert store.read("sweeps/a.json") == b"2"
    assert capsys.readouterr().err == "", "no line twice"
