"""Standing of a sweep, from a store that holds every state."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from sweep.report.inventory import inventory
from sweep.report.sweep_state import (
    COLUMNS,
    SweepStanding,
    lost_trials,
    sweep_standing,
    table_order,
    trial_standing,
)
from sweep.store.processes import own_record
from sweep.store.store import Store


def look(store: Store, name: str = "mixed") -> SweepStanding:
    stored = inventory(store, columns=COLUMNS, sweep=name)
    return sweep_standing(stored, name, datetime.now(UTC), lost_trials(store, [name], stored))


def driver(**changes) -> dict:
    now = datetime.now(UTC).isoformat()
    return own_record() | {"state": "running", "heartbeat": now, "eta_seconds": 240.0} | changes


def test_counts_share_and_hours(mixed: Store) -> None:
    standing = look(mixed)
    assert standing.counts == {
        "planned": 2, "running": 2, "completed": 1, "collapsed": 1, "failed": 1, "stopped": 1,
    }  # fmt: skip
    # Equal work: two are whole, three are half done, the failed one got to its end; 8 in all.
    assert standing.share == pytest.approx((2 + 3 * 0.5 + 1) / 8)
    assert standing.cpu_hours == pytest.approx((3 * 360 + 3 * 54) / 3600)
    assert standing.gpu_hours == 0


def test_a_running_trial_whose_process_is_gone_is_lost(mixed: Store) -> None:
    running = [trial for trial in look(mixed).trials if trial.status == "running"]
    assert [trial.lost for trial in running] == [False, True]
    assert running[0].eta_seconds == pytest.approx(54, abs=5)
    assert running[1].eta_seconds is None
    mixed.delete(f"claims/{running[0].trial_id}.json")
    assert all(trial.lost for trial in look(mixed).trials if trial.status == "running")


def test_a_file_that_names_no_owner_is_no_ownership(mixed: Store) -> None:
    running = [trial for trial in look(mixed).trials if trial.status == "running"]
    mixed.write(f"claims/{running[0].trial_id}.json", b'{"heartbeat": "never"}')
    assert all(trial.lost for trial in look(mixed).trials if trial.status == "running")


@pytest.mark.parametrize(
    ("changes", "state", "sentence"),
    [
        ({}, "running", "about 4 min left"),
        ({"pid_started": 1}, "stalled", "The same command goes on"),
        ({"host": "far", "heartbeat": "2026-01-01T00:00:00+00:00"}, "stalled", "2026-01-01 00:00"),
        ({"host": "far"}, "running", "on far"),
        ({"state": "finished"}, "finished", "Finished at"),
        ({"state": "failed"}, "failed", "tries them again"),
        ({"state": "lost"}, "lost", "Its cluster was lost at"),
        ({"state": "dreaming"}, "unknown", "No driver"),
    ],
)
def test_the_driver_tells(mixed: Store, write_sweep, trial, changes, state, sentence) -> None:
    write_sweep(mixed, "other", [trial()], **driver(**changes))
    standing = look(mixed, "other")
    assert (standing.state, sentence in standing.sentence) == (state, True)
    assert standing.eta_seconds == (240.0 if state == "running" else None)


@pytest.mark.parametrize(
    ("changes", "obstacle", "trouble"),
    [
        ({}, None, None),
        ({"trouble": "r has no room"}, None, "Its trials wait: r has no room"),
        (
            {"trouble": None},
            "has no room (0 bytes are free)",
            "has no room (0 bytes are free): tri",
        ),
        ({"trouble": "older"}, "is read-only", "is read-only: trials wait, and go on when"),
        ({"state": "finished", "trouble": "r has no room"}, "is read-only", None),
        (
            {"host": "far", "heartbeat": "2026-01-01T00:00:00+00:00"},
            "is read-only",
            "is read-only",
        ),
    ],
)
def test_what_a_sweep_waits_for(
    mixed: Store, write_sweep, trial, monkeypatch, changes, obstacle, trouble
) -> None:
    write_sweep(mixed, "other", [trial()], **driver(**changes))
    monkeypatch.setattr(Store, "obstacle", lambda store: obstacle)
    found = look(mixed, "other").trouble
    assert found is None if trouble is None else trouble in found


def test_a_driver_that_has_not_been_heard_from(mixed: Store, write_sweep, trial) -> None:
    """It is live for a minute after its last heartbeat."""
    heartbeat = (datetime.now(UTC) - timedelta(seconds=30)).isoformat()
    write_sweep(mixed, "other", [trial()], **driver(heartbeat=heartbeat))
    standing = look(mixed, "other")
    assert standing.state == "running"
    assert re.search(r"Its driver has written nothing for 3\d s\.", standing.trouble or "")


@pytest.mark.parametrize("eta", [None, float("nan")])
def test_a_time_left_that_nobody_knows(mixed: Store, write_sweep, trial, eta) -> None:
    write_sweep(mixed, "other", [trial()], **driver(eta_seconds=eta))
    standing = look(mixed, "other")
    assert (standing.eta_seconds, "not known yet" in standing.sentence) == (None, True)


def test_what_waits_for_another_start_while_it_runs(mixed: Store, write_sweep, trial) -> None:
    wait = {"trial_id": "t", "host": "far", "pid": 7}
    write_sweep(mixed, "other", [trial()], **driver(waiting=[wait, "nonsense"]))
    assert look(mixed, "other").waiting == [wait]
    for changes in ({"state": "interrupted"}, {"waiting": 3}):
        write_sweep(mixed, "other", [trial()], **driver(**{"waiting": [wait]} | changes))
        assert look(mixed, "other").waiting == []


def test_without_a_driver(mixed: Store, write_sweep, trial) -> None:
    write_sweep(mixed, "new", [trial(trial_id="new", status="planned")])
    write_sweep(mixed, "old", [trial(trial_id="old")])
    assert [look(mixed, name).state for name in ("new", "old")] == ["planned", "unknown"]


def test_gpu_hours_are_the_trials_own(mixed: Store, write_sweep, trial) -> None:
    row = trial(trial_id="gpu") | {"config": '{"device": "cuda", "threads": 4}', "seconds": 7200.0}
    cpu = trial(trial_id="cpu") | {"config": '{"device": "cpu", "threads": 4}', "seconds": 900.0}
    write_sweep(mixed, "both", [row, cpu])
    standing = look(mixed, "both")
    assert (standing.gpu_hours, standing.cpu_hours) == (2.0, 1.0)


def test_trials_stand_in_the_papers_order(trial) -> None:
    now = datetime.now(UTC)
    rows = [
        trial(setting="U_8-8"),
        trial(setting="C_8-32", method="sr-static", i_ratio=0.75),
        trial(setting="C_8-32", method="sr-static", i_ratio=0.25, seed=1),
        trial(setting="C_8-32", method="sr-static", i_ratio=0.25),
        trial(setting="C_8-32", method="sn"),
        trial(setting="C_8-32", method="sn", data_share=0.1),
        trial(setting="A_1024-128"),
        trial(setting="A_16-128"),
    ]
    full = [dict.fromkeys(COLUMNS) | row for row in rows]
    trials = sorted((trial_standing(row, now) for row in full), key=table_order)
    assert [(t.setting, t.method_in_words, t.seed) for t in trials] == [
        ("A_16-128", "sn", 0),
        ("A_1024-128", "sn", 0),
        ("C_8-32", "sn on 10 %", 0),
        ("C_8-32", "sn", 0),
        ("C_8-32", "sr-static i 0.25", 0),
        ("C_8-32", "sr-static i 0.25", 1),
        ("C_8-32", "sr-static i 0.75", 0),
        ("U_8-8", "sn", 0),
    ]


def test_toys_have_distances_of_their_own(trial) -> None:
    row = dict.fromkeys(COLUMNS) | trial(dataset="ring8") | {"best_mode_distance": 0.25}
    standing = trial_standing(row, datetime.now(UTC) - timedelta(days=1))
    assert (standing.score, standing.best) == ("mode_distance", 0.25)
