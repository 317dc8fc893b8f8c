"""The command that asks a running sweep."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweep import control
from sweep.run.rows import plan_rows
from sweep.store import requests
from sweep.store.ownership import acquire
from sweep.store.store import Store
from trainer.config.trial import trial_config

TRIAL = trial_config("digits", "C_8-32", "sn", 0, iterations=2)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """With a planned sweep `s` in it."""
    store = Store(tmp_path)
    store.write_rows("sweeps", "s", plan_rows("s", [TRIAL]))
    return store


def command(store: Store, *arguments: str) -> int:
    return control.main([*arguments, f"--results={store.root}"])


def test_the_command_asks_a_running_sweep(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    ownership = acquire(store, "sweeps/s.json", state="running")
    assert ownership is not None
    try:
        assert command(store, "s", "stop") == 0
        assert command(store, "s", "stop", "--trial", TRIAL.trial_id) == 0
        assert command(store, "s", "retry", "--trial", TRIAL.trial_id) == 0
    finally:
        ownership.release("finished")
    assert [r["action"] for r in requests.read_requests(store, "s")] == list(requests.ACTIONS)
    assert "asked s to stop all its trials" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["t", "stop"], "unknown sweep 't'; did you mean: s?"),
        (["s", "retry"], "retry needs --trial"),
        (["s", "stop", "--trial", "x"], "unknown trial of the sweep 'x'"),
        (["s", "stop"], "is not running"),
        (["s", "explode"], "unknown action 'explode'"),
    ],
)
def test_bad_input_is_one_line(
    store: Store, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert command(store, *arguments) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
    assert requests.read_requests(store, "s") == []
