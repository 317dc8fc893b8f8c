"""The faulty S3 endpoint: each kind of fault does what it says, to a real server."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from sweep.store.store import Store
from tests.campaign import s3_faults
from tests.campaign.s3_faults import Fault, Faults
from tests.campaign.s3_proxy import SIGNED, Proxy, faulty_s3
from tests.endpoints import address_of, by_way_of


class Scripted(Faults):
    """Faults of the first requests of a method, in their order; then none."""

    __slots__ = ("script",)

    def __init__(self, method: str, *script: Fault | None) -> None:
        super().__init__(seed=0)
        object.__setattr__(self, "script", {(method, n): f for n, f in enumerate(script)})

    def draw(self, method: str, key: str, number: int) -> Fault | None:
        return self.script.get((method, number)) if key.endswith("/x") else None


@pytest.fixture
def behind(bucket_root: str) -> Callable:
    """Opens the bucket behind a proxy; yields (bucket itself, the same through it, proxy)."""

    @contextmanager
    def opened(faults: Faults) -> Iterator[tuple[Store, Store, Proxy]]:
        with faulty_s3(address_of(bucket_root), faults) as proxy:
            root = by_way_of(bucket_root, proxy.port)
            yield Store(bucket_root), Store(root, patience=60.0), proxy

    return opened


def ask(proxy: Proxy, store: Store, method: str, body: bytes | None = None) -> tuple[int, bytes]:
    """One request for `x`, without any client's patience. Raises HTTPException or OSError."""
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=30)
    try:
        connection.request(method, f"/{store.base}/x", body, SIGNED)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_without_faults_nothing_changes(behind: Callable) -> None:
    with behind(Faults(seed=0)) as (near, far, proxy):
        content = bytes(range(256)) * 2000
        far.write("x", content)
        assert near.read("x") == far.read("x") == content
        assert [file.path for file in far.list("")] == [file.path for file in near.list("")]
        far.delete("x")
        assert near.read("x") is far.read("x") is None
        assert set(proxy.counts) == {"requests"}
        assert proxy.progress > 0


def test_refused_is_not_applied(behind: Callable) -> None:
    fault = Fault(kind=s3_faults.REFUSE, error=s3_faults.ERRORS[1])
    with behind(Scripted("PUT", fault)) as (near, _, proxy):
        status, body = ask(proxy, near, "PUT", b"1")
        assert (status, b"<Code>SlowDown</Code>" in body) == (503, True)
        assert near.read("x") is None


@pytest.mark.parametrize(
    ("kind", "applied"), [(s3_faults.DROP, False), (s3_faults.DROP_AFTER, True)]
)
def test_a_dropped_connection(behind: Callable, kind: str, applied: bool) -> None:
    with behind(Scripted("PUT", Fault(kind=kind))) as (near, _, proxy):
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            ask(proxy, near, "PUT", b"1")
        assert near.read("x") == (b"1" if applied else None)


def test_refused_after_it_was_applied(behind: Callable) -> None:
    with behind(Scripted("PUT", Fault(kind=s3_faults.REFUSE_AFTER))) as (near, _, proxy):
        assert ask(proxy, near, "PUT", b"1")[0] == 500
        assert near.read("x") == b"1"


def test_an_answer_is_cut(behind: Callable) -> None:
    with behind(Scripted("GET", Fault(kind=s3_faults.CUT))) as (near, _, proxy):
        ask(proxy, near, "PUT", b"0123456789")
        with pytest.raises(http.client.IncompleteRead):
            ask(proxy, near, "GET")
        assert ask(proxy, near, "GET") == (200, b"0123456789")


def test_an_answer_drips(behind: Callable) -> None:
    with behind(Scripted("GET", Fault(kind=s3_faults.SLOW, seconds=0.5))) as (near, _, proxy):
        ask(proxy, near, "PUT", b"0123456789")
        begin = time.monotonic()
        assert ask(proxy, near, "GET") == (200, b"0123456789")
        assert time.monotonic() - begin >= 0.5


def test_a_put_is_applied_again_later(behind: Callable) -> None:
    """Also over what was written in between: so the store has to defend itself."""
    with behind(Scripted("PUT", Fault(kind=s3_faults.DOUBLE, seconds=1.0))) as (near, _, proxy):
        assert ask(proxy, near, "PUT", b"1")[0] == 200
        near.write("x", b"2")
        assert near.read("x") == b"2"
        proxy.drain()
        assert near.read("x") == b"1"


def test_a_late_put_lands_after_its_client_has_gone(behind: Callable) -> None:
    with behind(Scripted("PUT", Fault(kind=s3_faults.LATE, seconds=1.0))) as (near, _, proxy):
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port)
        connection.request("PUT", f"/{near.base}/x", b"1", SIGNED)
        while not proxy.counts[s3_faults.LATE]:
            time.sleep(0.01)
        connection.close()
        assert near.read("x") is None
        proxy.drain()
        assert near.read("x") == b"1"


def test_an_outage_refuses_everything(behind: Callable) -> None:
    with behind(Faults(seed=0, outages=((1, 1.0),))) as (near, _, proxy):
        assert ask(proxy, near, "PUT", b"1")[0] == 200
        begin = time.monotonic()
        assert ask(proxy, near, "GET")[0] == 503
        while ask(proxy, near, "GET")[0] == 503:
            time.sleep(0.05)
        assert time.monotonic() - begin >= 1.0


def test_a_patient_store_gets_through_all_kinds_but_what_comes_late(behind: Callable) -> None:
    kinds = (s3_faults.REFUSE, s3_faults.DROP, s3_faults.DROP_AFTER, s3_faults.REFUSE_AFTER)
    script = [Fault(kind=kind, error=s3_faults.ERRORS[1]) for kind in kinds]
    with behind(Scripted("PUT", *script)) as (near, far, proxy):
        for n in range(2):
            far.write("x", str(n).encode())
            assert near.read("x") == str(n).encode()
        assert [proxy.counts[kind] for kind in kinds] == [1, 1, 1, 1]
