"""What a loop logs, in memory: iterations, columns, layers, what is not finite."""

from __future__ import annotations

import math
from typing import Any

import pytest

from sweep.recording.measurements import Measurements
from sweep.recording.spectra import Layers
from trainer.config.lookup import UsageError
from trainer.config.own_trial import OwnTrial

FLAT = {"a": [1.0] * 4, "b": [1.0] * 4}


def measurements(scores: dict[str, str] | None = None, **stored: Any) -> Measurements:
    trial = OwnTrial(name="x", config={}, version="1", scores=scores or {})
    defaults: dict[str, Any] = {"evaluations": [], "spectra": [], "layers": Layers()}
    return Measurements(trial, **(defaults | stored))


def test_columns_of_the_store_and_names_of_its_own() -> None:
    m = measurements({"ssim": "higher"})
    m.add(0, None, {"d_real": 1.0, "d_fake": 0.25, "ssim": 0.5, "my_loss": 3})
    (row,) = m.evaluations
    assert row["gap"] == 0.75
    assert row["own_score"] == 0.5
    assert row["own_values"] == {"ssim": 0.5, "my_loss": 3.0}
    assert "my_loss" not in row


def test_a_distance_that_decides_keeps_its_column_alone() -> None:
    m = measurements({"fid": "lower"})
    m.add(0, None, {"fid": 3.0})
    assert m.evaluations[0]["fid"] == 3.0
    assert "own_score" not in m.evaluations[0]


@pytest.mark.parametrize(
    ("values", "spectra", "finite"),
    [
        ({"d_loss": math.nan}, None, False),
        ({"mine": math.inf}, None, False),
        ({}, {"a": [math.nan] * 4, "b": [1.0] * 4}, False),
        ({"fid": math.nan, "ssim": math.nan}, FLAT, True),
        ({}, {"a": [1.0], "b": [1.0]}, True),
    ],
)
def test_scores_alone_may_be_nan_in_a_sound_run(
    values: dict[str, float], spectra: Any, finite: bool
) -> None:
    m = measurements({"ssim": "higher"})
    m.add(0, spectra, values)
    assert m.history[0]["finite"] is finite


def test_iterations_rise_and_bad_input_leaves_nothing() -> None:
    m = measurements()
    m.add(5, FLAT, {"d_loss": 1.0})
    for iteration, spectra, values in [
        (5, FLAT, {}),
        (6, {"c": [1.0]}, {}),
        (6, FLAT, {"d_loss": "x"}),
        (6, FLAT, {"sigma1": 1.0}),
        (6, FLAT, {"modes": 1.5}),
        (6.5, FLAT, {}),
    ]:
        with pytest.raises(UsageError):
            m.add(iteration, spectra, values)
    assert [r["iteration"] for r in m.history] == [5]
    assert len(m.spectra) == 2


def test_the_first_record_of_a_process_drops_what_it_repeats() -> None:
    first = measurements()
    for iteration in (0, 10, 20):
        first.add(iteration, FLAT, {"d_loss": 1.0})
    again = measurements(
        evaluations=[{"own_values": None, **row} for row in first.evaluations],
        spectra=first.spectra,
        layers=first.layers,
    )
    assert again.last_iteration == 20
    again.add(11, FLAT, {"d_loss": 2.0})
    assert [row["iteration"] for row in again.evaluations] == [0, 10, 11]
    assert [row["iteration"] for row in again.spectra] == [0, 0, 10, 10, 11, 11]
    assert again.resumed_at == 10
    assert again.layers.voting == [0, 1]


def test_a_run_that_begins_anew_may_have_other_layers() -> None:
    first = measurements()
    first.add(0, FLAT, {})
    again = measurements(
        evaluations=[{"own_values": None, **row} for row in first.evaluations],
        spectra=first.spectra,
        layers=first.layers,
    )
    again.add(0, {"other": [1.0] * 4}, {})
    assert again.layers.names == ["other"]
