"""Progress of a sweep, by its plan, its trials and the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api.reading.snapshot import Snapshot, Watcher
from api.sweeps import progress
from api.sweeps.progress import time_left
from sweep.store.store import Store
from tests.api.servers import serving, wait_for
from tests.api.stores import identity, write_driver, write_plan, write_trial

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
    assert demo["cpu_hours"] == demo["compute_hours"]
    (best,) = demo["best"]
    trials = [http.get(f"/trials/{trial_id}").json() for trial_id in demo["trials"]]
    assert demo["compute_hours"] == pytest.approx(sum(t["seconds"] for t in trials) / 3600)
    assert best["value"] == min(t["best"]["fd_digits"] for t in trials)
    (first,) = [t for t in trials if t["trial_id"] == best["trial_id"]]
    assert (best["setting"], best["iteration"]) == (first["setting"], first["best"]["iteration"])


def test_the_range_of_the_time_left_is_told(http: httpx2.Client) -> None:
    fig8 = http.get("/sweeps/fig8").json()
    remaining = fig8["time_left"]
    assert 0 < remaining["p10"] <= remaining["p50"] <= remaining["p90"]
    assert remaining["measured"] == 6
    assert fig8["sentence"].startswith("Running: about ")
    assert fig8["eta_seconds"] == 240.0


@pytest.mark.parametrize(
    ("says", "silent", "state", "eta"),
    [
        ("running", 59, "running", 240.0),
        ("running", 61, "stalled", None),
        ("interrupted", 5, "interrupted", None),
        ("failed", 5, "failed", None),
        ("lost", 5, "lost", None),
        ("finished", 5000, "finished", None),
        ("dancing", 5, "unknown", None),
    ],
)
def test_states(tmp_path: Path, says: str, silent: int, state: str, eta: float | None) -> None:
    store = Store(tmp_path)
    write_plan(store, "s", [identity("C_32-32", "sn", 0)])
    heartbeat = NOW - timedelta(seconds=silent)
    write_driver(store, "s", state=says, heartbeat=heartbeat.isoformat())
    summary = progress.sweep(look(tmp_path), "s", NOW)
    assert (summary.state, summary.eta_seconds) == (state, eta)
    if state == "stalled":
        assert "silent since 2026-03-01 12:58:59 UTC" in summary.sentence


def test_a_stalled_sweep_has_another_etag(tmp_path: Path) -> None:
    store = Store(tmp_path)
    write_plan(store, "s", [identity("C_32-32", "sn", 0)])
    with serving(tmp_path) as http:
        soon = datetime.now(UTC) - timedelta(seconds=54)
        write_driver(store, "s", heartbeat=soon.isoformat())
        wait_for(lambda: http.get("/sweeps").json()["items"][0]["state"] == "running")
        first = http.get("/sweeps")
        assert first.json()["items"][0]["state"] == "running"
        header = {"If-None-Match": first.headers["etag"]}
        wait_for(lambda: http.get("/sweeps", headers=header).status_code == 200)
        summary = http.get("/sweeps").json()
        assert summary["items"][0]["state"] == "stalled"
        assert summary["snapshot"] == first.json()["snapshot"]


def test_a_plan_without_a_driver(tmp_path: Path) -> None:
    store, trial = Store(tmp_path), identity("C_32-32", "sn", 0)
    write_plan(store, "s", [trial])
    assert progress.sweep(look(tmp_path), "s", NOW).state == "planned"
    write_trial(store, trial, "running")
    assert progress.sweep(look(tmp_path), "s", NOW).state == "unknown"


def test_a_driver_without_a_plan(tmp_path: Path) -> None:
    write_driver(Store(tmp_path), "s", eta_seconds=float("inf"))
    summary = progress.sweep(look(tmp_path), "s", datetime.now(UTC))
    assert (summary.progress.trials, summary.progress.share, summary.eta_seconds) == (0, 0.0, None)


def plan_of(
    *seconds: float | None, running: tuple[int, float] | None = None
) -> tuple[list[Any], dict[str, Any]]:
    """Trials of 100 iterations and 1e9 operations: ended ones by their seconds, None is planned.

    The running one, if any, is given by its iteration and seconds.
    """
    plan: list[Any] = []
    records: dict[str, Any] = {}
    done = [
        (100 if s is not None else 0, s, "completed" if s is not None else "planned")
        for s in seconds
    ]
    done += [(*running, "running")] if running else []
    for k, (iteration, spent, status) in enumerate(done):
        trial = {"trial_id": str(k), "setting": "C_32-32", "method": "sn"}
        plan.append({**trial, "operations": 1e9})
        records[str(k)] = {
            **trial, "iterations": 100, "iteration": iteration, "seconds": spent, "status": status,
        }  # fmt: skip
    return plan, records


def test_nothing_is_said_before_three_are_measured() -> None:
    assert time_left(*plan_of(10.0, 10.0, None), 2) is None
    assert time_left(*plan_of(10.0, 10.0, 10.0), 2) is None
    assert time_left(*plan_of(10.0, 10.0, 10.0, None), None) is None


def test_without_spread_the_range_is_a_point() -> None:
    remaining = time_left(*plan_of(10.0, 10.0, 10.0, None, None, None, None), 2)
    assert remaining is not None
    assert (remaining.p10, remaining.p50, remaining.p90) == pytest.approx((20, 20, 20))
    assert remaining.measured == 3


def test_the_range_is_that_of_the_rates() -> None:
    # Inclusive tenths of 8, 9, .., 12 are 8.4 and 11.6.
    remaining = time_left(*plan_of(8.0, 9.0, 10.0, 11.0, 12.0, None, None), 2)
    assert remaining is not None
    assert (remaining.p10, remaining.p50, remaining.p90) == pytest.approx((8.4, 10, 11.6))


def test_never_less_than_the_longest() -> None:
    remaining = time_left(*plan_of(10.0, 10.0, 10.0, None), 8)
    assert remaining is not None
    assert remaining.p50 == pytest.approx(10)


def test_a_running_trial_counts_as_far_as_it_is() -> None:
    plan, records = plan_of(10.0, 10.0, running=(40, 8.0))
    remaining = time_left(plan, records, 1)
    assert remaining is not None
    assert remaining.p50 == pytest.approx(
        60 * 0.1
    )  # at the median of 0.1, 0.1 and 0.2 s an iteration
    assert remaining.p90 > remaining.p50


def test_a_kind_with_three_measured_has_a_rate_of_its_own() -> None:
    plan, records = plan_of(10.0, 10.0, 10.0, 10.0, None)
    slow, slow_records = plan_of(30.0, 30.0, 30.0, None)
    for row in slow:
        key = f"slow-{row['trial_id']}"
        records[key] = slow_records[row["trial_id"]]
        plan.append({**row, "trial_id": key, "method": "sr-static"})
    remaining = time_left(plan, records, 1)
    assert remaining is not None
    assert remaining.p50 == pytest.approx(40)
    assert remaining.p10 == pytest.approx(remaining.p90)


def test_trials_that_a_rung_stopped_are_told_with_rung_and_budget(tmp_path: Path) -> None:
    store = Store(tmp_path)
    halved = identity("C_32-32", "sn", seed=0)
    write_plan(store, "search", [halved])
    write_trial(store, halved, status="failed")
    (row,) = store.read_rows("trials", halved["trial_id"])
    reason = {"rung": 1, "rung_budget": 350, "stop_reason": "rung 1 of successive halving"}
    changes = reason | {"status": "stopped", "traceback": None}
    store.write_rows("trials", halved["trial_id"], [row | changes])
    with serving(tmp_path) as http:
        sweep = http.get("/sweeps/search").json()
        assert sweep["rungs"] == [{"rung": 1, "budget": 350, "trials": 1}]
        assert sweep["progress"]["share"] == 1
        trial = http.get(f"/trials/{halved['trial_id']}").json()
        assert {name: trial[name] for name in reason} == reason
        (listed,) = http.get("/results?status=stopped&fields=rung,rung_budget").json()["items"]
        assert (listed["rung"], listed["rung_budget"]) == (1, 350)
        page = http.get(f"/view/trials/{halved['trial_id']}").text
        assert "<dt>stopped at</dt><dd>rung 1 of successive halving; it goes on when" in page
        assert "stopped at rung 1 of successive halving" in page
        page = http.get("/view/sweeps/search").text
        assert "<dt>rung 1</dt><dd>1 trial" in page
