"""Orders beside a snapshot, without HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.orders.queries import order_item, server_of
from api.reading.snapshot import Watcher
from sweep.store.orders import SERVER, Entry, new_order
from sweep.store.store import Store
from tests.api.stores import identity, write_plan, write_trial


def test_an_order_has_the_counts_of_its_sweep(tmp_path: Path) -> None:
    store = Store(tmp_path)
    order = new_order({"profile": "digits", "settings": "C_32-32", "seeds": "0-1"}, author="a")
    trials = [identity("C_32-32", "sn", seed) for seed in range(2)]
    write_trial(store, trials[0])
    write_plan(store, order.sweep, trials)
    watcher = Watcher(store)
    watcher.refresh()
    assert watcher.current is not None
    item = order_item(Entry(order=order), watcher.current)
    assert (item.sweep, item.state) == (order.sweep, "new")
    assert {status: n for status, n in item.counts.items() if n} == {"planned": 1, "collapsed": 1}


@pytest.mark.parametrize("content", [b"", b"[]", b'{"host": 3}', b'{"heartbeat": "x"}', b"{"])
def test_a_record_of_nobody_is_no_server(tmp_path: Path, content: bytes) -> None:
    store = Store(tmp_path)
    store.write(SERVER, content)
    assert not server_of(store).live
