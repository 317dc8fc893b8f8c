"""A function of its own as a trial, without a cluster: what is stored and what is reported."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from sweep.run import own_trainable
from sweep.store.ownership import acquire
from sweep.store.store import Store
from sweep.store.trial_ownership import record_path
from trainer.config.own_trial import OwnTrial

SOURCE = """
def train(config, run):
    for iteration in range(run.start, config["iterations"] + 1):
        run.log(iteration, fid=10.0 - iteration)
        run.save_checkpoint(b"state")
        if config.get("fails_at") == iteration:
            raise RuntimeError("no luck")
        if run.should_stop:
            return

def silent(config, run):
    pass
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_loop.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_loop", raising=False)  # of another test's folder


def trial(entry: str = "own_loop:train", **config: Any) -> OwnTrial:
    values = {"iterations": 4, **config}
    return OwnTrial(name=entry, config=values, version="1", scores={"fid": "lower"}, entry=entry)


def run(root: Path, own: OwnTrial, **options: Any) -> list[dict[str, Any]]:
    reports: list[dict[str, Any]] = []
    task = {"results": str(root), "sweep": "s", "stop_on_collapse": True}
    own_trainable.run(own, task, {"cpus": 1.0, "gpus": 0.25}, reports.append, **options)
    return reports


def row_of(root: Path, own: OwnTrial) -> dict[str, Any]:
    (row,) = Store(root).read_rows("trials", own.trial_id)
    return dict(row)


def test_a_function_is_called_and_its_numbers_are_reported(tmp_path: Path) -> None:
    reports = run(tmp_path, trial())
    assert [report["status"] for report in reports] == ["running"] * 5 + ["completed"]
    assert reports[-1]["distance"] == 6.0
    assert reports[-1]["iteration"] == 4
    row = row_of(tmp_path, trial())
    assert (row["status"], row["cpus"], row["gpus"]) == ("completed", 1.0, 0.25)
    assert Store(tmp_path).list("sweeps") == []  # the plan is the driver's


def test_a_trial_that_has_ended_is_not_trained_again(tmp_path: Path) -> None:
    run(tmp_path, trial())
    before = row_of(tmp_path, trial())
    (report,) = run(tmp_path, trial())
    assert (report["status"], report["iteration"]) == ("completed", 4)
    assert row_of(tmp_path, trial())["updated_at"] == before["updated_at"]


def test_a_failure_is_recorded_and_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    own = trial(fails_at=2)
    *_, report = run(tmp_path, own)
    assert (report["status"], report["out_of_memory"]) == ("failed", False)
    assert "no luck" in row_of(tmp_path, own)["traceback"]
    reports = run(tmp_path, own)
    assert [report["iteration"] for report in reports] == [3, 4, 4]
    assert row_of(tmp_path, own)["status"] == "completed"


def test_an_order_to_stop_ends_it_and_says_why(tmp_path: Path) -> None:
    reason = {"stop_reason": "rung 1", "rung": 1, "rung_budget": 2}
    *_, report = run(tmp_path, trial(), stop=lambda: True, reason=lambda: reason)
    assert report["status"] == "stopped"
    assert report["rung"] == 1
    row = row_of(tmp_path, trial())
    assert (row["status"], row["rung"], row["stop_reason"]) == ("stopped", 1, "rung 1")


def test_a_function_that_logs_nothing_has_failed(tmp_path: Path) -> None:
    *_, report = run(tmp_path, trial("own_loop:silent"))
    assert report["status"] == "failed"
    assert "logged nothing" in row_of(tmp_path, trial("own_loop:silent"))["traceback"]


def test_a_trial_of_another_start_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_trainable, "OWNER_SECONDS", 0.1)
    owner = acquire(Store(tmp_path), record_path(trial().trial_id))
    assert owner is not None
    (report,) = run(tmp_path, trial())
    owner.release()
    assert report["status"] == "waiting"
