from __future__ import annotations

import dataclasses
import json
import math

import pytest

from sweep.paper.scores import score_title
from sweep.run.rows import (
    PENALTY,
    best_record,
    evaluation_rows,
    objective,
    output_rows,
    plan_rows,
    spectrum_rows,
    trial_row,
)
from sweep.store.schemas import SCHEMAS, SCORE_NAMES
from sweep.store.tables import columns
from tests.own_pictures import own_config
from trainer.collapse import verdict_on
from trainer.config.settings import METHODS
from trainer.config.trial import trial_config
from trainer.data.sources import load_source
from trainer.loop import Evaluation, train
from trainer.scores import digits
from trainer.state import initial_state
from trainer.thresholds import thresholds_for

CONFIG = trial_config("digits", "C_32-32", "sr-static", 0, iterations=1)
INCEPTION_SCORES = {
    "inception_score",
    "inception_score_std",
    "fid",
    "kid_mean",
    "kid_std",
    "precision",
    "recall",
}
SCORES_OF_PICTURES = {"fd_pictures", "density", "coverage"}
NOT_OF_DIGITS = {
    "own_score",
    "own_values",
    *INCEPTION_SCORES,
    *SCORES_OF_PICTURES,
    *(f"ema_{name}" for name in INCEPTION_SCORES | SCORES_OF_PICTURES),
    "reference_weights",
    "mode_distance",
    "ema_mode_distance",
    "equilibrium_distance",
    "d_penalty_ratio",
    "g_penalty_ratio",
    "g_hessian",
    "g_hessian_residual",
    "d_hessian",
    "d_hessian_residual",
    "gpu_memory",
}
BOOKKEEPING = {
    "failures",
    "cpus",
    "gpus",
    "status",
    "stop_reason",
    "rung",
    "rung_budget",
    "protocol",
    "software",
    "host",
    "attempt",
    "seconds",
    "started_at",
    "updated_at",
    "traceback",
}


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    """The trainer's own first evaluation, so that a name cannot drift apart from a column."""
    state = initial_state(CONFIG)
    source = load_source(CONFIG.dataset, CONFIG.device, None)
    return next(train(CONFIG, state, source, digits.load_scorer(CONFIG.device)))


def test_an_evaluation_fills_exactly_the_schema(evaluation: Evaluation) -> None:
    (row,) = evaluation_rows(CONFIG, [evaluation.record])
    assert set(row) == set(SCHEMAS["evaluations"].names)
    assert {name for name, value in row.items() if value is None} == NOT_OF_DIGITS
    assert columns("evaluations", [row]).num_rows == 1


def test_spectra_fill_exactly_the_schema(evaluation: Evaluation) -> None:
    rows = spectrum_rows("t", 0, evaluation.spectra, evaluation.stable_ranks)
    assert [row["layer"] for row in rows] == list(range(10))
    assert all(set(row) == set(SCHEMAS["spectra"].names) for row in rows)
    assert columns("spectra", rows).num_rows == 10
    assert [row["stable_ranks"] for row in rows] == [[]] * 10, "nothing was trained before it"


def test_outputs_fill_exactly_the_schema(evaluation: Evaluation) -> None:
    rows = output_rows("t", 0, evaluation.outputs)
    assert {(row["images"], row["quantity"]) for row in rows} == {
        (images, quantity)
        for images in ("training", "test", "generated")
        for quantity in ("d", "d_loss")
    }
    assert all(set(row) == set(SCHEMAS["outputs"].names) for row in rows)
    assert all(sum(row["counts"]) + row["not_finite"] == 512 for row in rows)
    assert columns("outputs", rows).num_rows == 6


@pytest.mark.parametrize("method", METHODS)
def test_a_ratio_is_there_where_both_players_step_at_once(method: str) -> None:
    """NaN would say that it was measured and is no number."""
    config = trial_config("digits", "C_32-32", method, 0)
    measured = {"iteration": 50, "d_penalty_ratio": math.nan, "g_penalty_ratio": math.nan}
    (row,) = evaluation_rows(config, [measured])
    at_once = METHODS[method].simultaneous
    assert (row["d_penalty_ratio"] is None) == (row["g_penalty_ratio"] is None) == (not at_once)


def test_a_trial_fills_exactly_the_schema(evaluation: Evaluation) -> None:
    row = trial_row(CONFIG, [evaluation.record], evaluation.verdict, thresholds_for(CONFIG))
    assert set(row) | BOOKKEEPING == set(SCHEMAS["trials"].names)
    assert not set(row) & BOOKKEEPING
    assert row["best_fd_digits"] == evaluation.record["fd_digits"]
    assert all(row[f"final_{name}"] is None for name in SCORE_NAMES)
    assert json.loads(row["config"])["learning_rate"] == CONFIG.learning_rate


def test_a_trial_has_the_i_of_each_layer() -> None:
    static = trial_config("digits", "C_32-32", "sr-static", 0, i_ratio=0.25)
    plain = trial_config("digits", "C_32-32", "sn", 0)
    rows = [trial_row(config, [], None, thresholds_for(config)) for config in (plain, static)]
    # D is 16 wide; its first layer and its first shortcut have an image's 27 and 3 columns.
    assert [row["lifted_counts"] for row in rows] == [None, [4, 4, 1, 4, 4, 4, 4, 4, 4, 4]]


def test_a_plan_fills_exactly_the_schema() -> None:
    (row,) = plan_rows("s", [CONFIG])
    assert set(row) == set(SCHEMAS["sweeps"].names)
    assert (row["setting_batch_size"], row["setting_channels"]) == (32, 32)


def test_a_trial_before_its_first_evaluation() -> None:
    row = trial_row(CONFIG, [], None, thresholds_for(CONFIG))
    assert (row["iteration"], row["objective"], row["best_iteration"]) == (0, PENALTY, None)


def history(*distances: float | None) -> list[dict]:
    return [{"iteration": 75 * k, "fd_digits": d} for k, d in enumerate(distances)]


def test_best_is_the_lowest_before_mode_collapse() -> None:
    records = history(1600.0, 900.0, 1000.0, 800.0, 700.0)
    best = best_record(records, "fd_digits", None)
    before = best_record(records, "fd_digits", 225)
    assert best is not None
    assert before is not None
    assert (best["iteration"], before["iteration"]) == (300, 75)


def test_best_counts_the_first_evaluation_and_the_first_of_equals() -> None:
    best = best_record(history(500.0, 500.0, 900.0), "fd_digits", None)
    assert best is not None
    assert best["iteration"] == 0


def test_what_is_no_number_is_not_best() -> None:
    best = best_record(history(math.nan, 1600.0, None, math.inf), "fd_digits", None)
    assert best is not None
    assert best["iteration"] == 75
    assert best_record(history(math.nan), "fd_digits", None) is None
    assert best_record(history(900.0), "fd_digits", 0) is None


@pytest.mark.parametrize("distances", [(), (math.nan,), (None,), (1600.0, math.nan)])
def test_the_objective_is_always_finite(distances: tuple[float, ...]) -> None:
    value = objective(best_record(history(*distances), "fd_digits", None), "fd_digits")
    assert math.isfinite(value)
    assert value == (1600.0 if 1600.0 in distances else PENALTY)


def test_the_end_is_the_last_evaluation_with_the_full_scores(evaluation: Evaluation) -> None:
    last = evaluation.record | {"iteration": 1, "spectrum_left": 0.5}
    records = [evaluation.record, last]
    verdict = verdict_on(CONFIG, records)
    row = trial_row(
        CONFIG, records, verdict, thresholds_for(CONFIG), {"fd_digits": 7.0, "n_samples": 10_000}
    )
    assert (row["final_iteration"], row["final_fd_digits"], row["final_n_samples"]) == (
        1,
        7.0,
        10_000,
    )
    assert (row["final_spectrum_left"], row["final_modes"]) == (0.5, None)
    assert row["first_spectrum_left"] == evaluation.record["spectrum_left"]


def test_a_setting_that_no_version_names_has_no_sizes_of_the_paper() -> None:
    (known,) = plan_rows("s", [CONFIG])
    (foreign,) = plan_rows("s", [dataclasses.replace(CONFIG, setting="mine")])
    different = {name for name in known if known[name] != foreign[name]}
    assert different == {"trial_id", "setting", "group", "setting_batch_size", "setting_channels"}
    assert (foreign["setting"], foreign["group"]) == ("mine", None)


def test_own_pictures_declare_the_score_that_decides() -> None:
    config = own_config()
    history = [{"iteration": k, "spectrum_left": 0.9, "fd_pictures": 50.0 - k} for k in (0, 5)]
    row = trial_row(config, history, None, thresholds_for(config))
    assert (row["score"], row["best_fd_pictures"], row["best_iteration"]) == ("fd_pictures", 45, 5)
    assert score_title(row) == "FD-pictures"
    with_weights = own_config(scorer="f" * 64)
    row = trial_row(with_weights, [], None, thresholds_for(config))
    assert row["score"] is None
    assert score_title(row) == "FID"
