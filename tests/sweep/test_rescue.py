"""Which trials are rescued, from where, and how they are configured."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sweep.rescue import main
from sweep.run.rows import identity_row, plan_rows
from sweep.store.store import Store
from trainer.config.trial import TrialConfig, trial_config

HEALTHY = trial_config("digits", "B_64-64", "sn", 0, iterations=100)
COLLAPSED = trial_config("digits", "C_8-32", "sn", 3, iterations=100, threads=2)
EARLY = trial_config("digits", "C_32-32", "sn", 0, iterations=100)
Planned = Callable[..., dict[str, Any]]


def stored(config: TrialConfig, at: int | None) -> dict[str, Any]:
    row = {**identity_row(config), "status": "collapsed" if at else "completed"}
    text = json.dumps(asdict(config))
    facts = {"iteration": 80, "mode_collapse_at": at, "config": text}
    return row | facts | {"updated_at": datetime(2026, 1, 1, tzinfo=UTC)}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A sweep of a healthy trial, one that collapsed, and one that did before any snapshot."""
    store = Store(tmp_path)
    store.write_rows("sweeps", "s", plan_rows("s", [HEALTHY, COLLAPSED, EARLY]))
    for config, at in ((HEALTHY, None), (COLLAPSED, 60), (EARLY, 30)):
        store.write_rows("trials", config.trial_id, [stored(config, at)])
    for config, kept in ((HEALTHY, [100]), (COLLAPSED, [25, 55, 75, 80]), (EARLY, [0, 75, 80])):
        for at in kept:
            store.write(f"checkpoints/{config.trial_id}/{at}.pt", b"")
    return store


def dry_run(store: Store, *flags: str) -> int:
    return main(["--from-sweep", "s", "--dry-run", "--json", f"--results={store.root}", *flags])


def test_a_collapsed_trial_goes_on_from_its_last_healthy_snapshot(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dry_run(store) == 0
    said = capsys.readouterr()
    expected = trial_config(
        "digits",
        "C_8-32",
        "sr-dynamic",
        3,
        iterations=100,
        threads=2,
        parent=COLLAPSED.trial_id,
        parent_iteration=55,
    )
    assert [json.loads(line)["trial_id"] for line in said.out.splitlines()] == [expected.trial_id]
    assert f"skipped {EARLY.trial_id}: it has no snapshot before its collapse" in said.err


def test_a_dry_run_needs_no_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, config = Store(tmp_path), trial_config("paper", "C_8-32", "sn", 0, iterations=100)
    store.write_rows("sweeps", "s", plan_rows("s", [config]))
    store.write_rows("trials", config.trial_id, [stored(config, 60)])
    store.write(f"checkpoints/{config.trial_id}/50.pt", b"")
    assert dry_run(store) == 0
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 1
    assert "missing here: cifar10 is read from --data-root" in said.err
    assert main(["--from-sweep", "s", f"--results={tmp_path}"]) == 2
    assert "nothing can be rescued: cifar10 is read" in capsys.readouterr().err


def test_other_methods_and_ratios(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert dry_run(store, "--methods=sn-renorm,sr-static", "--i-ratios=0.25,0.5") == 0
    ids = [json.loads(line)["trial_id"] for line in capsys.readouterr().out.splitlines()]
    names = {trial_id.split(".s3")[0] for trial_id in ids}
    assert names == {
        "digits.C_8-32.sn-renorm.-",
        "digits.C_8-32.sr-static.0.25",
        "digits.C_8-32.sr-static.0.5",
    }


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--from-sweep=t"], "unknown sweep 't'; did you mean: s?"),
        (["--settings=B_64-64"], "there is nothing to rescue"),
        (["--settings=C_32-32"], "nothing can be rescued"),
        (["--settings=C_9"], "unknown setting 'C_9'"),
        (["--methods=sr-dynamik"], "unknown method 'sr-dynamik'"),
    ],
)
def test_bad_input_is_one_line(
    store: Store, capsys: pytest.CaptureFixture[str], flags: list[str], says: str
) -> None:
    assert dry_run(store, *flags) == 2
    said = capsys.readouterr().err
    assert said.startswith("python -m sweep.rescue: ")
    assert says in said
    assert said.count("\n") == 1
