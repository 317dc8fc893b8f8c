"""Branches, and the verdict on a trial."""

from __future__ import annotations

from pathlib import Path

import httpx2

from sweep.store.store import Store
from tests.api.servers import serving
from tests.api.stores import identity, write_trial


def test_a_family(tmp_path: Path) -> None:
    store = Store(tmp_path)
    sn = identity("C_32-32", "sn", 0)
    rescue = identity("C_32-32", "sr-dynamic", 0)
    rescue |= {"parent": sn["trial_id"], "parent_iteration": 600}
    again = identity("C_32-32", "sr-static", 0)
    again |= {"parent": rescue["trial_id"], "parent_iteration": 900}
    lost = identity("B_64-64", "sr-static", 0)
    lost |= {"parent": "digits.gone", "parent_iteration": 75}
    for who in (sn, rescue, again, lost):
        write_trial(store, who)
    with serving(tmp_path) as http:
        top, middle, bottom, orphan = (
            http.get(f"/trials/{who['trial_id']}").json() for who in (sn, rescue, again, lost)
        )
        assert (top["ancestors"], bottom["children"]) == ([], [])
        assert [(c["trial_id"], c["at"]) for c in top["children"]] == [(rescue["trial_id"], 600)]
        assert [a["trial_id"] for a in bottom["ancestors"]] == [
            rescue["trial_id"], sn["trial_id"],
        ]  # fmt: skip
        assert [a["at"] for a in bottom["ancestors"]] == [900, 600]
        assert middle["children"][0]["method"] == "sr-static"
        assert (orphan["parent"], orphan["ancestors"]) == ("digits.gone", [])
        listed = http.get(f"/results?parent={sn['trial_id']}").json()["items"]
        assert [item["trial_id"] for item in listed] == [rescue["trial_id"]]


def test_a_circle_ends(tmp_path: Path) -> None:
    store = Store(tmp_path)
    one, two = (identity("C_32-32", method, 0) for method in ("sn", "sr-static"))
    write_trial(store, one | {"parent": two["trial_id"], "parent_iteration": 1})
    write_trial(store, two | {"parent": one["trial_id"], "parent_iteration": 1})
    with serving(tmp_path) as http:
        shown = http.get(f"/trials/{one['trial_id']}").json()
        assert [a["trial_id"] for a in shown["ancestors"]] == [two["trial_id"]]


def test_a_verdict_has_its_rules(http: httpx2.Client) -> None:
    listed = http.get("/results?method=sn&status=collapsed").json()["items"]
    verdict = http.get(f"/trials/{listed[0]['trial_id']}").json()["verdict"]
    assert verdict["healthy"] is False
    first, rule = verdict["sentence"].split(" By rule: ")
    assert first.endswith("The modes went first, 75 iterations before the other.")
    assert rule == "mode collapse, modes below 120 after the burn-in, 3 times."
    assert verdict["signals"] == [
        {
            "name": "mode_collapse",
            "at": 375,
            "rule": "modes below 120 after the burn-in, 3 times",
        },
        {"name": "spectral_collapse", "at": 450, "rule": None},
    ]
