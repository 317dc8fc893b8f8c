"""Kaplan and Meier's estimate."""

from __future__ import annotations

import json
import math
from pathlib import Path

import httpx2
import pytest

from api.paper.survival import band, steps, survival
from sweep.store.store import Store
from tests.api.servers import serving
from tests.api.stores import identity, write_trial


def test_a_textbook_example() -> None:
    """Leukaemia, 6-MP arm of Freireich et al. 1963: 21 patients, 9 events.

    Shares and Greenwood's standard errors as in Klein and Moeschberger, Table 4.1.
    """
    events = [6, 6, 6, 7, 10, 13, 16, 22, 23]
    censored = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    runs = [(0, t, True) for t in events] + [(0, t, False) for t in censored]
    by_key = {step.iteration: step for step in steps(runs)}
    shares = {6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448}
    at_risk = {6: 21, 7: 17, 10: 15, 13: 12, 16: 11, 22: 7, 23: 6}
    for iteration, share in shares.items():
        assert by_key[iteration].share == pytest.approx(share, abs=5e-4)
        assert by_key[iteration].at_risk == at_risk[iteration]
    assert (by_key[6].events, by_key[6].censored) == (3, 1)
    # Log-log band of R's survfit(conf.type = "log-log") at 10 and at 23.
    assert (by_key[10].low, by_key[10].high) == pytest.approx((0.503, 0.889), abs=2e-3)
    assert (by_key[23].low, by_key[23].high) == pytest.approx((0.188, 0.680), abs=2e-3)
    assert by_key[35].share == by_key[23].share


def test_the_band_is_inside_zero_and_one() -> None:
    assert band(1.0, 0.0) == (None, None)
    assert band(0.0, 0.3) == (None, None)
    low, high = band(0.01, 2.0)
    assert low is not None
    assert high is not None
    assert 0 < low < 0.01 < high < 1


def test_a_branch_is_at_risk_from_its_start() -> None:
    by_key = list(steps([(0, 100, True), (0, 300, False), (200, 300, False), (200, 250, True)]))
    assert [(step.iteration, step.at_risk) for step in by_key] == [(100, 2), (250, 3), (300, 2)]
    assert by_key[1].share == pytest.approx(1 / 2 * 2 / 3)


def test_a_branch_that_fell_before_it_began_ends_where_it_begins() -> None:
    row = {
        "profile": "digits", "method": "sn", "i_ratio": None, "status": "collapsed",
        "iteration": 40, "parent_iteration": 200, "mode_collapse_at": 100,
    }  # fmt: skip
    (item,) = survival([row])
    assert [(s.iteration, s.at_risk, s.events) for s in item.steps] == [(200, 1, 1)]


def test_a_run_that_was_not_judged_counts_neither_as_collapsed_nor_as_not() -> None:
    row = {
        "profile": "digits", "method": "sn", "i_ratio": None, "status": "completed",
        "iteration": 40, "parent_iteration": None, "mode_collapse_at": None,
    }  # fmt: skip
    short = json.dumps({"mode_collapse": "planned for 40 iterations"})
    early = json.dumps({"mode_collapse": "too few evaluations so far"})
    (item,) = survival([row | {"not_judged": text} for text in (short, early, "{}", None)])
    assert (item.trials, item.censored, item.not_judged) == (3, 3, 1)
    (item,) = survival([row | {"not_judged": short}])
    assert (item.trials, item.not_judged, item.steps) == (0, 1, [])


def test_over_http(http: httpx2.Client) -> None:
    items = http.get("/survival").json()["items"]
    by_key = {(item["method"], item["i_ratio"]): item for item in items}
    sn = by_key["sn", None]
    # Six runs, of which the two on C_32-32 collapsed at 375; one failed and one runs, with i.
    assert (sn["trials"], sn["collapsed"], sn["censored"]) == (6, 2, 4)
    assert [(s["iteration"], s["at_risk"], s["events"]) for s in sn["steps"]] == [
        (375, 6, 2), (1500, 4, 0),
    ]  # fmt: skip
    assert sn["steps"][0]["share"] == pytest.approx(4 / 6)
    assert sn["steps"][0]["low"] < 4 / 6 < sn["steps"][0]["high"]
    failed = by_key["sr-static", 0.75]
    assert [(s["iteration"], s["censored"], s["share"]) for s in failed["steps"]] == [(225, 1, 1)]
    running = by_key["sr-static", 0.25]
    assert [step["iteration"] for step in running["steps"]] == [600, 1500]
    assert running["steps"][0]["low"] is None


def test_filters_and_tables(http: httpx2.Client) -> None:
    (only,) = http.get("/survival?setting=C_32-32&method=sn").json()["items"]
    assert [(step["share"], step["low"]) for step in only["steps"]] == [(0, None)]
    csv = http.get("/survival?method=sn&format=csv").text.splitlines()
    assert csv[0] == "profile,method,i_ratio,iteration,at_risk,events,censored,share,low,high"
    assert len(csv) == 3
    assert http.get("/survival?profile=paper").json()["items"] == []
    assert http.get("/survival?setting=F").status_code == 422


def test_a_trial_before_its_first_evaluation(tmp_path: Path) -> None:
    store, trial = Store(tmp_path), identity("C_32-32", "sn", 0)
    write_trial(store, trial, "running")
    (row,) = store.read_rows("trials", trial["trial_id"])
    store.write_rows("trials", trial["trial_id"], [row | {"iteration": 0}])
    with serving(tmp_path) as http:
        (item,) = http.get("/survival").json()["items"]
        assert [(s["iteration"], s["at_risk"], s["share"]) for s in item["steps"]] == [(0, 1, 1)]
        assert math.isfinite(item["steps"][0]["share"])
