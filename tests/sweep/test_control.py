"""Requests to a running sweep."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sweep import control
from sweep.claims import acquire
from sweep.results import Store
from sweep.rows import plan_rows
from trainer.config import trial_config

TRIAL = trial_config("digits", "C_8-32", "sn", 0, iterations=2)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """With a planned sweep `s` in it."""
    store = Store(tmp_path)
    store.write_rows("sweeps", "s", plan_rows("s", [TRIAL]))
    return store


def test_requests_are_kept_in_order_until_the_next_start(store: Store) -> None:
    first = control.request(store, "s", control.STOP_TRIAL, TRIAL.trial_id)
    second = control.request(store, "s", control.STOP_SWEEP)
    asked = control.requests(store, "s")
    assert [r["id"] for r in asked] == [first, second]
    assert [r["trial_id"] for r in asked] == [TRIAL.trial_id, None]
    control.clear(store, "s")
    assert control.requests(store, "s") == []


def test_whom_a_request_stops(store: Store) -> None:
    control.request(store, "s", control.STOP_TRIAL, TRIAL.trial_id)
    assert control.stops(store, "s", TRIAL.trial_id)
    assert not control.stops(store, "s", "another")
    assert not control.stops(store, "t", TRIAL.trial_id)
    assert not control.stops(store, None, TRIAL.trial_id)
    control.request(store, "s", control.STOP_SWEEP)
    assert control.stops(store, "s", "another")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"requests": 3}', b"\xff"])
def test_what_is_no_request_is_none(store: Store, content: bytes) -> None:
    store.write(control.path("s"), content)
    assert control.requests(store, "s") == []


def test_an_unknown_action_is_left_out(store: Store) -> None:
    record = {"id": "1", "action": "explode", "trial_id": None, "at": ""}
    store.write(control.path("s"), json.dumps({"requests": [record]}).encode())
    assert control.requests(store, "s") == []


def command(store: Store, *arguments: str) -> int:
    return control.main([*arguments, f"--results={store.root}"])


def test_the_command_asks_a_running_sweep(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    claim = acquire(store, "sweeps/s.json", state="running")
    assert claim is not None
    try:
        assert command(store, "s", "stop") == 0
        assert command(store, "s", "stop", "--trial", TRIAL.trial_id) == 0
        assert command(store, "s", "retry", "--trial", TRIAL.trial_id) == 0
    finally:
        claim.release("finished")
    assert [r["action"] for r in control.requests(store, "s")] == list(control.ACTIONS)
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
    assert control.requests(store, "s") == []
