"""Reports that a driver takes, late or never."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sweep.run import driver_contact
from sweep.run.driver_contact import with_contact
from sweep.store.ownership import Ownership, Superseded, acquire
from sweep.store.store import Store

RUNNING, ENDED = ({"trial": "t", "status": status} for status in ("running", "completed"))


@pytest.fixture
def ownership(tmp_path: Path) -> Iterator[Ownership]:
    ownership = acquire(Store(tmp_path), "claims/t.json")
    assert ownership is not None
    yield ownership
    ownership.release()


def until_released(ownership: Ownership) -> None:
    while ownership.store.read(ownership.path) is not None:
        threading.Event().wait(0.02)


def test_a_report_that_is_taken_costs_nothing(ownership: Ownership) -> None:
    taken: list[dict[str, Any]] = []
    report = with_contact(taken.append, ownership)
    threads = threading.active_count()
    for _ in range(3):
        report(RUNNING)
    assert taken == [RUNNING] * 3
    ownership.check()
    assert threading.active_count() == threads


def test_a_slow_driver_costs_nothing(
    ownership: Ownership, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver_contact, "CONTACT_SECONDS", 30.0)
    with_contact(lambda result: time.sleep(1.0), ownership)(RUNNING)
    ownership.check()


def test_who_is_cut_off_gives_up_what_it_owns_while_its_report_blocks(
    ownership: Ownership, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver_contact, "CONTACT_SECONDS", 0.2)
    report = with_contact(lambda result: until_released(ownership), ownership)
    with pytest.raises(Superseded):
        report(RUNNING)
    with pytest.raises(Superseded):
        ownership.check()
    with pytest.raises(Superseded):
        ownership.write("trials/t.parquet", b"more")
    second = acquire(ownership.store, ownership.path, wait=False)
    assert second is not None
    second.release()


def test_a_trial_that_has_ended_stays_so(
    ownership: Ownership, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver_contact, "CONTACT_SECONDS", 0.2)
    with_contact(lambda result: until_released(ownership), ownership)(ENDED)


def test_a_driver_that_waits_for_the_store_is_not_out_of_reach(
    ownership: Ownership, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver_contact, "CONTACT_SECONDS", 0.1)
    monkeypatch.setattr(driver_contact, "recovered_within", lambda place, seconds: True)
    with_contact(lambda result: time.sleep(1.0), ownership)(RUNNING)
    ownership.check()


def test_an_error_of_a_report_passes(ownership: Ownership) -> None:
    def refuse(result: dict[str, Any]) -> None:
        raise ValueError("no such metric")

    with pytest.raises(ValueError, match="no such metric"):
        with_contact(refuse, ownership)(RUNNING)
    ownership.check()
