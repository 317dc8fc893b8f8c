"""Models of series hold every column of the store."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from api.trials import series
from sweep.store.schemas import SCHEMAS


@pytest.mark.parametrize(
    ("table", "model"),
    [
        ("evaluations", series.Evaluation),
        ("outputs", series.Histogram),
        ("spectra", series.Spectrum),
    ],
)
def test_a_row_is_that_of_the_store(table: str, model: type[BaseModel]) -> None:
    assert set(model.model_fields) - {"nonfinite", "indices"} == set(SCHEMAS[table].names) - {
        "trial_id"
    }
