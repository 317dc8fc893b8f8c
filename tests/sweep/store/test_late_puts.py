"""A bucket that cannot order puts: a late one is found at the end, and undone."""

from __future__ import annotations

from typing import Any

import pytest

from sweep.store import late_puts
from sweep.store.late_puts import WrittenRows
from sweep.store.ownership import Superseded, acquire, read_owner
from sweep.store.store import Store
from tests.sweep.proxy import Proxy

PATH = "trials/t.parquet"
CLAIM = "claims/t.json"


@pytest.fixture
def unordered(behind_proxy: tuple[str, Proxy]) -> Store:
    root, proxy = behind_proxy
    proxy.ignores_conditions = True
    return Store(root, 60)


def write(writer: Any, status: str) -> None:
    writer.write_rows("trials", "t", [{"trial_id": "t", "status": status}])


def test_a_late_put_is_undone_when_the_trial_ends(
    unordered: Store, behind_proxy: tuple[str, Proxy]
) -> None:
    proxy = behind_proxy[1]
    ownership = acquire(unordered, CLAIM)
    assert ownership is not None
    proxy.hold("PUT", PATH)
    write(ownership, "running")
    write(ownership, "collapsed")
    assert proxy.let_go() == [200]
    assert unordered.read_rows("trials", "t")[0]["status"] == "running"
    ownership.release()
    assert unordered.read_rows("trials", "t")[0]["status"] == "collapsed"
    assert read_owner(unordered, CLAIM) is None
    second = acquire(unordered, CLAIM, wait=False)
    assert second is not None
    second.release()


@pytest.mark.slow
def test_one_that_comes_after_the_trial_has_looked_is_undone_when_none_can_come(
    unordered: Store, behind_proxy: tuple[str, Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A put that was tried again may be under way for a minute."""
    proxy = behind_proxy[1]
    monkeypatch.setattr(late_puts, "GIVEN_UP_SECONDS", 0.0)
    monkeypatch.setattr(late_puts, "LONGEST_DELAY_SECONDS", 3.0)
    ownership = acquire(unordered, CLAIM)
    assert ownership is not None
    proxy.hold("PUT", PATH)
    write(ownership, "running")
    write(ownership, "collapsed")
    original, looks = unordered.read, []

    def read(path: str) -> bytes | None:
        content = original(path)
        if path == PATH and not looks:
            looks.append(path)
            proxy.let_go()
        return content

    monkeypatch.setattr(unordered, "read", read)
    ownership.release()
    assert looks
    assert unordered.read_rows("trials", "t")[0]["status"] == "collapsed"


def test_who_was_superseded_undoes_nothing(unordered: Store) -> None:
    ownership = acquire(unordered, CLAIM)
    assert ownership is not None
    write(ownership, "running")
    unordered.write(CLAIM, b'{"attempt": "another"}')
    write(unordered, "completed")
    ownership.release()
    assert unordered.read_rows("trials", "t")[0]["status"] == "completed"
    with pytest.raises(Superseded):
        ownership.check()


def test_rows_that_stand_are_read_once_and_not_written() -> None:
    rows, reads, writes = WrittenRows(), [], []
    rows.note("a", b"1", 0.1)
    rows.note("a", b"2", 0.1)
    rows.restore(lambda path: reads.append(path) or b"2", lambda *written: writes.append(written))
    assert (reads, writes) == (["a"], [])
