"""How a sweep stands, by its plan, its trials and the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import httpx2
import pytest

from api.reading.snapshot import Snapshot, Watcher
from api.sweeps import progress
from sweep.store.store import Store

NOW = datetime(2026, 3, 1, 13, 0, tzinfo=UTC)


def look(root: Path) -> Snapshot:
    watcher = Watcher(Store(root))
    watcher.refresh()
    assert watcher.current is not None
    return watcher.current


def test_over_http(http: httpx2.Client) -> None:
    listed = http.get("/sweeps").json()["items"]
    assert [sweep["name"] for sweep in listed] == ["fig8", "demo"]
    fig8 = http.get("/sweeps/fig8").json()
    assert fig8["counts"] == {
        "planned": 1, "running": 1, "completed": 3, "collapsed": 1, "failed": 1,
    }  # fmt: skip
    # Four ended count whole, 600 of the running one, 225 of the failed one, none of the planned.
    assert fig8["progress"]["iterations_done"] == 4 * 1500 + 600 + 225
    assert fig8["progress"]["share"] == pytest.approx(6825 / 10500)
    assert len(fig8["trials"]) == 7
    demo = http.get("/sweeps/demo").json()
    assert demo["state"] == "finished"
    assert demo["eta_seconds"] is None
    assert demo["sentence"].endswith("24 trials: 20 completed, 4 collapsed.")
    assert demo["time_left"] is None
    assert demo["gpu_hours"] == 0
    (best,) = demo["best"]
    trials = [http.get(f"/trials/{trial_id}").json() for trial_id in demo["trials"]]
    assert demo["compute_hours"] == pytest.approx(sum(t["seconds"] for t in trials) / 3600)
    assert best["value"] == min(t["best"]["fd_digits"] for t in trials)
    (first,) = [t for t in trials if t["trial_id"] == best["trial_id"]]
    assert (best["setting"], best["iteration"]) == (first["setting"], first["best"]["iteration"])


def test_the_range_of_the_time_left_is_told(http: httpx2.Client) -> None:
    fig8 = http.get("/sweeps/fig8").json()
    left = fig8["time_left"]
    assert 0 < left["p10"] <= left["p50"] <= left["p90"]
    assert left["measured"] == 6
    assert fig8["sentence"].startswith("Running: about ")
    assert fig8["eta_seconds"] == 240.0


@pytest.mark.parametrize(
    ("says", "silent", "state", "eta"),
    [
        ("running", 59, "running", 240.0),
        ("running", 61, "stalled", None),
        ("interrupted", 5, "interrupted", None),
        ("failed", 5, "failed", None),
        ("finished", 5000, "finished", None),
        ("dancing", 5, "unknown", None),
    ],
)
def test_states(
    tmp_path: Path, kit: ModuleType, says: str, silent: int, state: str, eta: float | None
) -> None:
    store = Store(tmp_path)
    kit.write_plan(store, "s", [kit.identity("C_32-32", "sn", 0)])
    heartbeat = NOW - timedelta(seconds=silent)
    kit.write_driver(store, "s", state=says, heartbeat=heartbeat.isoformat())
    shown = progress.sweep(look(tmp_path), "s", NOW)
    assert (shown.state, shown.eta_seconds) == (state, eta)
    if state == "stalled":
        assert "silent since 2026-03-01 12:58:59 UTC" in shown.sentence


def test_a_stalled_sweep_has_another_etag(tmp_path: Path, kit: ModuleType) -> None:
    store = Store(tmp_path)
    kit.write_plan(store, "s", [kit.identity("C_32-32", "sn", 0)])
    soon = datetime.now(UTC) - timedelta(seconds=57)
    kit.write_driver(store, "s", heartbeat=soon.isoformat())
    with kit.serving(tmp_path) as http:
        first = http.get("/sweeps")
        assert first.json()["items"][0]["state"] == "running"
        header = {"If-None-Match": first.headers["etag"]}
        kit.wait_for(lambda: http.get("/sweeps", headers=header).status_code == 200)
        shown = http.get("/sweeps").json()
        assert shown["items"][0]["state"] == "stalled"
        assert shown["snapshot"] == first.json()["snapshot"]


def test_a_plan_without_a_driver(tmp_path: Path, kit: ModuleType) -> None:
    store, who = Store(tmp_path), kit.identity("C_32-32", "sn", 0)
    kit.write_plan(store, "s", [who])
    assert progress.sweep(look(tmp_path), "s", NOW).state == "planned"
    kit.write_trial(store, who, "running")
    assert progress.sweep(look(tmp_path), "s", NOW).state == "unknown"


def test_a_driver_without_a_plan(tmp_path: Path, kit: ModuleType) -> None:
    kit.write_driver(Store(tmp_path), "s", eta_seconds=float("inf"))
    shown = progress.sweep(look(tmp_path), "s", datetime.now(UTC))
    assert (shown.progress.trials, shown.progress.share, shown.eta_seconds) == (0, 0.0, None)
