"""A plan that grows: the stored file is that of the whole plan after each trial."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweep.run import plan_file
from sweep.run.plan_file import PlanFile
from sweep.run.rows import plan_rows
from sweep.store.ownership import Superseded, acquire
from sweep.store.store import Store
from trainer.config.trial import trial_config

TRIALS = [trial_config("digits", "C_8-32", "sr-static", 0, i_ratio=i / 32) for i in range(1, 6)]


def test_the_file_is_that_of_the_whole_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    ownership = acquire(store, "sweeps/s.json", state="running")
    assert ownership is not None
    worked_out: list[int] = []

    def counted(sweep: str, trials: list, first_position: int = 0) -> list:
        worked_out.append(len(trials))
        return plan_rows(sweep, trials, first_position)

    monkeypatch.setattr(plan_file, "plan_rows", counted)
    file = PlanFile(ownership, "s", TRIALS[:2])
    for n, config in enumerate(TRIALS[2:], start=3):
        file.append(config)
        assert store.read_rows("sweeps", "s") == [
            dict.fromkeys(store.read_rows("sweeps", "s")[0]) | row
            for row in plan_rows("s", TRIALS[:n])
        ]
    assert worked_out == [2, 1, 1, 1], "each row once"
    ownership.release("finished")
    store.delete("sweeps/s.json")
    with pytest.raises(Superseded):
        file.append(TRIALS[0])
