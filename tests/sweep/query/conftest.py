"""A store of three trials, one of which has begun without a curve, beside a plan of four."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from sweep.store.store import Store
from tests.sweep.store.rows import plan_row, trial_row


def curve(trial_id: str) -> list[dict[str, Any]]:
    """Five evaluations, the first without losses and the last one diverged."""
    return [
        {
            "trial_id": trial_id,
            "iteration": 100 * k,
            "d_loss": math.nan if k == 0 else 1.0 / k,
            "fd_digits": math.nan if k == 4 else 1000.0 - 100 * k,
            "sigma1": [1.0 + k, 2.0],
        }
        for k in range(5)
    ]


@pytest.fixture(scope="package")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a store that no test writes to."""
    root = tmp_path_factory.mktemp("three")
    store = Store(root)
    plan = [plan_row(trial_id=f"t{k}", position=k) for k in range(4)]
    store.write_rows("sweeps", "s", plan)
    for k in range(3):
        score = {"best_fd_digits": [300.0, math.nan, None][k]}
        store.write_rows("trials", f"t{k}", [trial_row(trial_id=f"t{k}", seed=k, **score)])
    for k in range(2):
        store.write_rows("evaluations", f"t{k}", curve(f"t{k}"))
    return root
