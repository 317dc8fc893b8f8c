"""Puts that are held back by the network and land on what was written since."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from sweep.store import requests
from sweep.store.owners import owned_keys
from sweep.store.ownership import Superseded, acquire, read_owner
from sweep.store.processes import own_record
from sweep.store.store import Store
from tests.sweep.proxy import Proxy

PATH = "evaluations/t.parquet"
CLAIM = "claims/t.json"


@pytest.fixture
def store(behind_proxy: tuple[str, Proxy]) -> Store:
    return Store(behind_proxy[0], 60)


@pytest.fixture
def proxy(behind_proxy: tuple[str, Proxy]) -> Proxy:
    return behind_proxy[1]


def stored_rows(store: Store) -> list[int]:
    return [row["iteration"] for row in store.read_rows("evaluations", "t")]


def write_rows(writer: Any, count: int) -> None:
    rows = [{"trial_id": "t", "iteration": k} for k in range(count)]
    writer.write_rows("evaluations", "t", rows)


@pytest.mark.parametrize("earlier", [0, 1])
def test_a_late_put_does_not_replace_its_successor(
    store: Store, proxy: Proxy, earlier: int
) -> None:
    """The first of a file, and a later one."""
    ownership = acquire(store, CLAIM)
    assert ownership is not None
    for count in range(1, earlier + 1):
        write_rows(ownership, count)
    proxy.hold("PUT", PATH)
    write_rows(ownership, earlier + 1)
    write_rows(ownership, earlier + 2)
    assert proxy.let_go() == [412]
    assert stored_rows(store) == [*range(earlier + 2)]
    write_rows(ownership, earlier + 3)
    assert stored_rows(store) == [*range(earlier + 3)]
    ownership.release()


def test_a_put_whose_answer_was_lost_is_not_taken_for_another_writers(
    store: Store, proxy: Proxy
) -> None:
    for count in (1, 2, 3):
        proxy.lose_answer("PUT", PATH)
        write_rows(store, count)
        assert stored_rows(store) == [*range(count)]


def test_a_late_put_of_a_dead_owner_is_found_and_replaced(store: Store, proxy: Proxy) -> None:
    dead = acquire(store, CLAIM)
    assert dead is not None
    write_rows(dead, 1)
    proxy.hold("PUT", PATH)
    write_rows(dead, 2)
    dead.release()
    successor = acquire(Store(store.root, 60), CLAIM)
    assert successor is not None
    write_rows(successor, 1)  # goes on from a checkpoint of before
    proxy.let_go()
    write_rows(successor, 3)
    assert stored_rows(store) == [0, 1, 2]
    successor.release()


def test_who_was_superseded_replaces_nothing_between_check_and_put(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if it had been suspended in between."""
    ownership = acquire(store, CLAIM)
    assert ownership is not None
    ownership.write("samples/t/0.png", b"first")
    near = Store(store.root)
    original = Store.write

    def late_write(self: Store, path: str, *rest: Any) -> None:
        near.write(CLAIM, json.dumps(own_record() | {"attempt": "another"}).encode())
        original(near, "samples/t/0.png", b"of the successor")
        original(self, path, *rest)

    monkeypatch.setattr(Store, "write", lambda self, *rest: late_write(self, *rest))
    monkeypatch.setattr(near, "write", lambda *rest: original(near, *rest))
    with pytest.raises(Superseded):
        ownership.write("samples/t/0.png", b"of one that was suspended")
    assert store.read("samples/t/0.png") == b"of the successor"
    ownership.release()  # or its heartbeat is tried again for a minute once the port is gone


def test_a_claim_does_not_rise_from_the_dead(store: Store, proxy: Proxy) -> None:
    """A heartbeat, and the first record of a start, that come after the release."""
    proxy.hold("PUT", CLAIM)
    first = acquire(store, CLAIM, every=0.1)
    assert first is not None
    first.release()
    assert proxy.let_go() == [412]
    second = acquire(store, CLAIM, wait=False, every=3600)
    assert second is not None
    proxy.hold("PUT", CLAIM)
    second._update()  # a heartbeat
    second.release()
    assert proxy.let_go() == [412]
    third = acquire(store, CLAIM, wait=False)
    assert third is not None
    third.check()
    assert owned_keys(store, "claims") == {"t"}
    third.release()
    assert read_owner(store, CLAIM) is None
    assert owned_keys(store, "claims") == set()


def test_a_removal_that_is_late_takes_no_claim(store: Store, proxy: Proxy) -> None:
    first = acquire(store, CLAIM)
    assert first is not None
    made = proxy.count(first.release)
    assert "DELETE t.json" not in made


def test_a_request_does_not_rise_from_the_dead(store: Store, proxy: Proxy) -> None:
    proxy.hold("PUT", "s.control.json")
    requests.ask(store, "s", requests.STOP_SWEEP)
    requests.clear(store, "s")
    assert proxy.let_go() == [412]
    assert requests.read_requests(store, "s") == []
    first = requests.ask(store, "s", requests.STOP_SWEEP)
    assert [r["id"] for r in requests.read_requests(store, "s")] == [first]


def test_two_who_ask_at_once_are_both_heard(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second asks after the first has read the file, and before it writes."""
    objects = store.objects
    assert objects is not None
    original, second = objects.get, []

    def get(path: str) -> Any:
        answer = original(path)
        if not second:
            second.append("")
            second[0] = requests.ask(store, "s", requests.STOP_SWEEP)
        return answer

    monkeypatch.setattr(objects, "get", get)
    first = requests.ask(store, "s", requests.STOP_TRIAL, "t")
    assert [r["id"] for r in requests.read_requests(store, "s")] == [second[0], first]


def test_a_request_whose_answer_was_lost_is_there_once(store: Store, proxy: Proxy) -> None:
    for _ in range(2):
        proxy.lose_answer("PUT", "s.control.json")
        requests.ask(store, "s", requests.STOP_SWEEP)
    assert len(requests.read_requests(store, "s")) == 2


def test_a_write_takes_a_check_and_a_put(store: Store, proxy: Proxy) -> None:
    ownership = acquire(store, CLAIM)
    assert ownership is not None
    check = ["GET t.json"]

    def write(count: int) -> Callable[[], None]:
        return lambda: write_rows(ownership, count)

    assert proxy.count(write(1)) == [*check, "PUT t.parquet"]
    assert proxy.count(write(2)) == [*check, "PUT t.parquet"]
    assert proxy.count(ownership._update) == [*check, "PUT t.json"]
    ownership.release()
    again = acquire(Store(store.root), CLAIM)
    assert again is not None
    # It asks once for the version of a file that is there.
    made = proxy.count(lambda: write_rows(again, 3))
    assert made == [*check, "PUT t.parquet", "HEAD t.parquet", *check, "PUT t.parquet"]
    assert proxy.count(lambda: write_rows(again, 4)) == [*check, "PUT t.parquet"]
    # And before it sends a big one.
    big = proxy.count(lambda: again.write("checkpoints/t/1.pt", b"1" * 200_000))
    assert big == [*check, "HEAD 1.pt", *check, "PUT 1.pt"]
    again.release()


def test_of_two_starts_that_find_a_dead_owner_one_becomes_the_owner(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second takes ownership after the first has read the record, and before it writes."""
    objects = store.objects
    assert objects is not None
    original, owners = objects.get, []

    def get(path: str) -> Any:
        answer = original(path)
        if not owners:
            owners.append(None)
            owners[0] = acquire(store, CLAIM, wait=False)
        return answer

    dead = own_record() | {"attempt": "dead", "pid_started": 1}
    store.write(CLAIM, json.dumps(dead).encode())
    monkeypatch.setattr(objects, "get", get)
    assert acquire(store, CLAIM, wait=False) is None
    owners[0].check()
    owners[0].release()
