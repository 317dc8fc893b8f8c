"""Orders of trials as files."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sweep.store import orders
from sweep.store.orders import Answer, Cost, Entry, Order, OrderError, new_order, read_orders
from sweep.store.store import Store

VALUES = {"profile": "digits", "settings": "C_8-32", "seeds": "2,3"}


def placed(store: Store, **options: Any) -> Order:
    order = new_order(VALUES, author="Ada", **options)
    orders.place(store, order)
    return order


def state(store: Store) -> list[str]:
    return [entry.state for entry in read_orders(store).entries]


@pytest.mark.parametrize("place", ["folder", "bucket"])
def test_an_orders_course(place: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    root = str(tmp_path) if place == "folder" else request.getfixturevalue("bucket_root")
    store, now = Store(root), datetime.now(UTC)
    order = placed(store)
    assert read_orders(store).entries == [Entry(order=order)]
    assert state(store) == ["new"]
    cost = Cost(trials=2, done=0, seconds=3.0, gpu_hours=0.0, cpu_hours=0.1)
    orders.answer(store, order.id, Answer(state="priced", at=now, cost=cost))
    assert state(store) == ["priced"]
    assert read_orders(store).entries[0].answer == Answer(state="priced", at=now, cost=cost)
    confirmed = orders.change(store, order.id, confirmed=True)
    assert confirmed is not None
    assert confirmed.confirmed
    assert state(store) == ["queued"]
    orders.answer(store, order.id, Answer(state="running", at=now, cost=cost))
    orders.change(store, order.id, cancelled=True)
    assert state(store) == ["running"]  # until its server has stopped it
    orders.answer(store, order.id, Answer(state="stopped", at=now))
    assert state(store) == ["stopped"]
    assert orders.change(Store(root), "20260101T000000.000000Z-00000000", cancelled=True) is None
    assert orders.change(store, "../trials/x", cancelled=True) is None


def test_the_highest_priority_runs_first_and_then_the_oldest(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first, second = placed(store, confirmed=True), placed(store, confirmed=True)
    urgent, unconfirmed = placed(store, confirmed=True, priority=3), placed(store, priority=9)
    course = []
    for order in (first, second, urgent, unconfirmed):
        orders.answer(store, order.id, Answer(state="priced", at=datetime.now(UTC)))
    while (entry := orders.next_order(read_orders(store).entries)) is not None:
        course.append(entry.order.id)
        orders.answer(store, course[-1], Answer(state="finished", at=datetime.now(UTC)))
    assert course == [urgent.id, first.id, second.id]
    orders.answer(store, second.id, Answer(state="running", at=datetime.now(UTC)))
    orders.answer(store, urgent.id, Answer(state="priced", at=datetime.now(UTC)))
    entry = orders.next_order(read_orders(store).entries)
    assert entry is not None
    assert entry.order.id == second.id  # what a server left goes on first


def test_arguments_are_those_of_the_command() -> None:
    order = new_order({**VALUES, "methods": "sn,sr-*", "iterations": "30"}, author="a")
    assert order.arguments() == [
        "--profile=digits", "--settings=C_8-32", "--methods=sn,sr-*", "--seeds=2,3",
        "--iterations=30",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "options", "says"),
    [
        ({"seeds": None}, {}, "needs seeds"),
        ({"settings": "C_8-32 --notify=rm"}, {}, "no spaces"),
        ({"settings": "$(rm)"}, {}, "no spaces"),
        ({"seeds": "1" * 501}, {}, "seeds"),
        ({"dataset": "/etc"}, {}, "dataset"),
        ({}, {"author": "\x1b"}, "author"),
        ({}, {"priority": 10}, "priority"),
    ],
)
def test_what_can_be_no_order(values: dict[str, Any], options: dict[str, Any], says: str) -> None:
    with pytest.raises(OrderError, match=says):
        new_order({**VALUES, **values}, **{"author": "a", **options})


def test_flags_beyond_what_is_trained_are_nothing_to_order() -> None:
    order = new_order({**VALUES, "notify": "rm -rf", "data_root": "/"}, author="a")
    assert order.values == VALUES


@pytest.mark.parametrize(
    "change",
    [
        {"values": {**VALUES, "notify": "rm"}}, {"values": []}, {"values": {**VALUES, "seeds": 1}},
        {"author": 3}, {"priority": True}, {"priority": "high"}, {"at": "2026-01-01"}, {"x": 1},
        {"confirmed": "yes"}, {"author": "x" * 70_000},
    ],
)  # fmt: skip
def test_a_file_that_is_no_order_is_left_out_and_named(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    store = Store(tmp_path)
    good = placed(store)
    bad = orders.path("20260101T000000.000000Z-00000000")
    content = json.loads(store.read(orders.path(good.id)) or b"")
    store.write(bad, json.dumps(content | change).encode())
    store.write(orders.path(f"{good.id}{orders.STATE}"), b'{"state": "paid", "at": "x"}')
    found = read_orders(store)
    assert [entry.order for entry in found.entries] == [good]
    assert {*found.skipped} == {bad, orders.path(f"{good.id}{orders.STATE}")}
