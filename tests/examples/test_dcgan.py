"""The example: a public kind of loop, recorded by three lines in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sweep.store.store import Store
from tests.examples import dcgan

SMALL = ["--iterations", "6", "--every", "2", "--width", "4", "--batch-size", "8"]


def trained(root: Path, *arguments: str) -> tuple[Store, dict[str, Any]]:
    dcgan.main([*SMALL, "--results", str(root), *arguments])
    store = Store(root)
    (file,) = store.list("trials")
    return store, store.read_rows("trials", file.key)[0]


def test_it_logs_spectra_scores_of_d_and_samples(tmp_path: Path) -> None:
    store, row = trained(tmp_path)
    assert (row["status"], row["iteration"], row["dataset"]) == ("completed", 6, "digits-32")
    assert row["layer_names"] == ["0", "2", "5", "8"]
    evaluations = store.read_rows("evaluations", row["trial_id"])
    assert [each["iteration"] for each in evaluations] == [0, 2, 4, 6]
    assert all(
        each["gap"] == pytest.approx(each["d_real"] - each["d_fake"]) for each in evaluations
    )
    spectra = store.read_rows("spectra", row["trial_id"])
    assert [len(each["singular_values"]) for each in spectra[:4]] == [4, 8, 16, 1]
    assert len(store.list(f"samples/{row['trial_id']}")) == 4


def test_it_stops_when_it_diverges(tmp_path: Path) -> None:
    _, row = trained(tmp_path, "--lr", "1e30")
    assert (row["status"], row["stop_reason"]) == ("collapsed", "diverged")
    assert row["iteration"] < 6
