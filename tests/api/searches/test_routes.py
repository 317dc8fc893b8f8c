"""Searches as JSON and as tables, against the space that their trials are from."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from sweep.report.importance import axis_of, importances
from sweep.run.rows import PENALTY, plan_rows
from sweep.store.vocabulary import study_path
from tests.api.searches.search_store import (
    ENDED,
    FAILED,
    HALVED,
    PENALISED,
    PLANNED,
    RUNNING,
    SEARCH,
    chosen_configs,
    space,
    trial_row,
    write_search,
)
from tests.api.servers import serving
from tests.api.stores import identity, write_plan, write_trial


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    root = tmp_path_factory.mktemp("search")
    store = write_search(root)
    settings = [identity(s, "sr-static", 0, i) for s in ("C_8-32", "C_32-32") for i in (0.25, 0.5)]
    for who in settings:
        write_trial(store, who)
    write_plan(store, "over-i", settings)
    studies = [
        {"study": setting, "method": "sr-static", "asked_for": 2, "possible": 32}
        for setting in ("C_8-32", "C_32-32")
    ]
    store.write(study_path("over-i"), json.dumps({"studies": studies}).encode())
    with serving(root) as client:
        yield client


def the_study(http: httpx2.Client) -> dict[str, Any]:
    (study,) = http.get(f"/searches/{SEARCH}").json()["studies"]
    return study


def test_trials_have_the_parameters_of_their_space(http: httpx2.Client) -> None:
    study, parameters = the_study(http), space().parameters()
    assert (study["asked_for"], study["possible"], study["planned"]) == (PLANNED, 9648, PLANNED)
    counted = set(range(1, ENDED + 1)) - {FAILED, RUNNING}
    assert {trial["number"] for trial in study["trials"]} == counted
    for trial in study["trials"]:
        assert trial["parameters"] == parameters[trial["trial_id"]]
    named = {parameter["name"]: parameter for parameter in study["parameters"]}
    assert named["i_ratio"]["trials"] < len(counted) == named["method"]["trials"]
    assert "sn-ttur" not in named["method"]["choices"]


def test_a_penalty_is_no_score(http: httpx2.Client) -> None:
    by_number = {trial["number"]: trial for trial in the_study(http)["trials"]}
    assert by_number[PENALISED]["score"] is None
    assert by_number[PENALISED]["objective"] == PENALTY
    assert by_number[HALVED]["rung"] == 1


def test_the_best_so_far_is_over_all_iterations(http: httpx2.Client) -> None:
    study = the_study(http)
    total, best, wanted = 0, float("inf"), []
    for number, config in enumerate(chosen_configs()[:ENDED], start=1):
        row = trial_row(number, config)
        total += row["iteration"]
        if number not in (FAILED, RUNNING, PENALISED) and row["objective"] < best:
            best = row["objective"]
            wanted.append((total, best, number))
    steps = [(step["iterations"], step["score"], step["number"]) for step in study["steps"]]
    assert steps == wanted
    assert study["iterations"] == total
    assert study["best"]["number"] == wanted[-1][2]


def test_importances_are_over_the_space_of_the_trials(http: httpx2.Client) -> None:
    study, parameters = the_study(http), space().parameters()
    trials = [parameters[trial["trial_id"]] for trial in study["trials"]]
    names = dict.fromkeys(name for trial in trials for name in trial)
    axes = {name: axis_of([t[name] for t in trials if name in t]) for name in names}
    wanted = importances(trials, [trial["objective"] for trial in study["trials"]], axes)
    shares = {one["name"]: (one["low"], one["share"], one["high"]) for one in study["importances"]}
    assert shares == {one.name: pytest.approx((one.low, one.share, one.high)) for one in wanted}


def test_a_table_has_a_row_per_trial(http: httpx2.Client) -> None:
    text = http.get(f"/searches/{SEARCH}?format=csv").text
    rows = {row["trial_id"]: row for row in csv.DictReader(text.splitlines())}
    for trial in the_study(http)["trials"]:
        row = rows.pop(trial["trial_id"])
        assert row["parameter_method"] == trial["parameters"]["method"]
        assert float(row["parameter_batch_size"]) == trial["parameters"]["batch_size"]
        i_ratio = trial["parameters"].get("i_ratio")
        assert row["parameter_i_ratio"] == ("" if i_ratio is None else f"{i_ratio:g}")
    assert rows == {}


def test_a_study_per_setting_where_the_search_has_one(http: httpx2.Client) -> None:
    answer = http.get("/searches/over-i").json()
    assert [study["study"] for study in answer["studies"]] == ["C_8-32", "C_32-32"]
    assert [study["possible"] for study in answer["studies"]] == [32, 32]
    (one,) = http.get("/searches/over-i?study=C_32-32").json()["studies"]
    assert [parameter["name"] for parameter in one["parameters"]] == ["i_ratio"]
    assert one["no_importances"] == "2 trials are too few to tell: 10 are needed."


def test_what_is_not_there_is_refused(http: httpx2.Client) -> None:
    assert http.get("/searches/nowhere").status_code == 404
    refused = http.get(f"/searches/{SEARCH}?study=digits9")
    assert refused.status_code == 422
    assert "digits8" in refused.json()["detail"]
    assert http.get(f"/figures/searches/{SEARCH}/slices?study=digits9").status_code == 422
    empty = http.get(f"/figures/searches/{SEARCH}/contour?x=i_ratio&y=i_ratio").json()
    assert empty["empty"] == "Choose two different parameters."


def test_without_a_record_a_study_is_a_data_set(tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("unrecorded")
    store = write_search(root, recorded=False)
    store.write(study_path(SEARCH), b"[1, 2")  # cut off: as if there were none
    with serving(root) as http:
        study = the_study(http)
        assert (study["study"], study["asked_for"]) == ("digits8", None)


def test_choices_of_somebody_elses_sampler(tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("own")
    store = write_search(root)
    configs = chosen_configs()[:2]
    chosen = [{"depth": 3, "norm": "batch"}, {"depth": 5, "norm": "layer", "rate": None}]
    rows = [
        row | {"parameters": json.dumps(own)}
        for row, own in zip(plan_rows("own", configs), chosen, strict=True)
    ]
    store.write_rows("sweeps", "own", rows)
    with serving(root) as http:
        (study,) = http.get("/searches/own").json()["studies"]
        assert [trial["parameters"] for trial in study["trials"]] == [
            {"depth": 3, "norm": "batch"},
            {"depth": 5, "norm": "layer"},
        ]
