"""Requests to a sweep, as they stand in the store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sweep.store import requests
from sweep.store.store import Store

TRIAL = "digits.C_8-32.sn.-.s0-1a2b3c4d"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_requests_are_kept_in_order_until_the_next_start(store: Store) -> None:
    first = requests.ask(store, "s", requests.STOP_TRIAL, TRIAL)
    second = requests.ask(store, "s", requests.STOP_SWEEP)
    stored = requests.read_requests(store, "s")
    assert [r["id"] for r in stored] == [first, second]
    assert [r["trial_id"] for r in stored] == [TRIAL, None]
    requests.clear(store, "s")
    assert requests.read_requests(store, "s") == []


def test_whom_a_request_stops(store: Store) -> None:
    requests.ask(store, "s", requests.STOP_TRIAL, TRIAL)
    assert requests.stops(store, "s", TRIAL)
    assert not requests.stops(store, "s", "another")
    assert not requests.stops(store, "t", TRIAL)
    assert not requests.stops(store, None, TRIAL)
    requests.ask(store, "s", requests.STOP_SWEEP)
    assert requests.stops(store, "s", "another")


def test_a_stopped_trial_can_be_retried_in_the_same_run(store: Store) -> None:
    requests.ask(store, "s", requests.STOP_TRIAL, TRIAL)
    requests.ask(store, "s", requests.RETRY_TRIAL, TRIAL)
    requests.ask(store, "s", requests.RETRY_TRIAL, "another")
    assert not requests.stops(store, "s", TRIAL)
    requests.ask(store, "s", requests.STOP_TRIAL, TRIAL)
    assert requests.stops(store, "s", TRIAL)
    requests.ask(store, "s", requests.STOP_SWEEP)
    requests.ask(store, "s", requests.RETRY_TRIAL, TRIAL)
    assert requests.stops(store, "s", TRIAL), "the sweep still is"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"requests": 3}', b"\xff"])
def test_what_is_no_request_is_none(store: Store, content: bytes) -> None:
    store.write(requests.path("s"), content)
    assert requests.read_requests(store, "s") == []


def test_an_unknown_action_is_left_out(store: Store) -> None:
    record = {"id": "1", "action": "explode", "trial_id": None, "at": ""}
    store.write(requests.path("s"), json.dumps({"requests": [record]}).encode())
    assert requests.read_requests(store, "s") == []
