"""Numbers behind a verdict, and why a lower distance is not the best."""

from __future__ import annotations

from pathlib import Path

import httpx2

from sweep.store.store import Store
from tests.api.paper.paper_page import text_of
from tests.api.servers import serving
from tests.api.stores import identity, write_trial


def pages(tmp_path: Path, distances: dict[int, float]) -> tuple[str, dict, list[dict]]:
    """Page, JSON and evaluations of a trial whose modes collapsed at 375."""
    store = Store(tmp_path)
    who = identity("C_32-32", "sn", 0)
    write_trial(store, who)
    rows = store.read_rows("evaluations", who["trial_id"])
    for row in rows:
        row["fd_digits"] = distances.get(row["iteration"], 1500.0)
    store.write_rows("evaluations", who["trial_id"], rows)
    (trial,) = store.read_rows("trials", who["trial_id"])
    best = {"best_fd_digits": 1408.0, "best_iteration": 300}
    store.write_rows("trials", who["trial_id"], [trial | best])
    with serving(tmp_path) as http:
        return (*_read(http, who["trial_id"]), rows)


def _read(http: httpx2.Client, trial_id: str) -> tuple[str, dict]:
    page = text_of(http.get(f"/view/trials/{trial_id}").text)
    return page, http.get(f"/trials/{trial_id}").json()


def test_a_lower_distance_after_the_collapse_is_explained(tmp_path: Path) -> None:
    page, _, _ = pages(tmp_path, {300: 1408.0, 900: 1280.0})
    assert "1,408 at iteration 300" in page
    assert "The curve later reaches 1,280 at iteration 900. That does not count" in page
    assert "before mode collapse began, here at 375" in page


def test_nothing_is_explained_where_the_best_is_the_lowest(tmp_path: Path) -> None:
    page, _, _ = pages(tmp_path, {300: 1408.0})
    assert "does not count" not in page


def test_the_verdict_names_its_rule_and_what_was_measured(tmp_path: Path) -> None:
    page, trial, rows = pages(tmp_path, {})
    sentence = trial["verdict"]["sentence"]
    rule = "modes below 120 after the burn-in, 3 times"
    assert sentence.startswith("Mode collapse from iteration 375, spectral collapse from")
    assert sentence.endswith(f"By rule: mode collapse, {rule}.")
    modes = [str(row["modes"]) for row in rows if row["iteration"] >= 375][:3]
    assert f"{rule}; measured from there on: modes {', '.join(modes)}" in page
