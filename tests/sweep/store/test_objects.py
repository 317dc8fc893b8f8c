"""Objects replaced by version, and what is said when that fails."""

from __future__ import annotations

from typing import Any

import pytest

from sweep.store.objects import REQUEST_SECONDS, Changed, Objects, _seconds_for
from sweep.store.retry import UNREACHABLE, trouble
from sweep.store.store import Store
from tests.sweep.proxy import Proxy


@pytest.fixture(params=["plain", "o~dd %23 #+[1]"])
def objects(bucket_root: str, request: pytest.FixtureRequest) -> Objects:
    """Below a prefix that may hold signs which mean something in an address."""
    found = Store(bucket_root).objects
    assert found is not None
    found._prefix = f"{found._prefix}{request.param}/"
    return found


def test_only_the_version_that_is_known_is_replaced(objects: Objects) -> None:
    assert objects.get("a") == (None, None)
    assert objects.version("a") is None
    first = objects.put("a", b"1", None)
    assert objects.get("a") == (b"1", first)
    with pytest.raises(Changed):
        objects.put("a", b"x", None)
    second = objects.put("a", b"2", first)
    assert objects.version("a") == second != first
    with pytest.raises(Changed):
        objects.put("a", b"x", first)
    assert objects.get("a") == (b"2", second)


def test_what_was_removed_is_not_replaced(bucket_root: str) -> None:
    store = Store(bucket_root)
    assert store.objects is not None
    version = store.objects.put("a", b"1", None)
    store.delete("a")
    with pytest.raises(Changed):
        store.objects.put("a", b"2", version)


def test_arrow_and_obstore_mean_the_same_object(bucket_root: str) -> None:
    address, options = bucket_root.split("?")
    store = Store(f"{address}/it~s+a=b%25c?{options}")
    assert store.objects is not None
    store.objects.put("trials/a~b+c.parquet", b"1", None)
    assert store.read("trials/a~b+c.parquet") == b"1"
    assert [file.path for file in store.list("trials")] == ["trials/a~b+c.parquet"]


def test_a_server_that_is_away_is_unreachable(behind_proxy: tuple[str, Proxy]) -> None:
    root, proxy = behind_proxy
    objects = Store(root).objects
    assert objects is not None
    proxy.close()
    acts: list[Any] = [
        lambda: objects.get("a"),
        lambda: objects.version("a"),
        lambda: objects.put("a", b"1", None),
    ]
    for act in acts:
        with pytest.raises(OSError, match="error") as caught:
            act()
        assert trouble(caught.value) == UNREACHABLE


@pytest.mark.parametrize(("status", "kind"), [(503, UNREACHABLE), (403, None)])
def test_an_answer_that_says_no(
    behind_proxy: tuple[str, Proxy],
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    kind: str | None,
) -> None:
    root, proxy = behind_proxy
    objects = Store(root.replace("s3://", "s3://AKIA123:hush@")).objects
    assert objects is not None
    body = b"<Error><Code>SaysNo</Code><Message>m</Message></Error>"
    monkeypatch.setattr(proxy, "answer", lambda request: (status, {}, body))
    with pytest.raises(OSError, match="SaysNo") as caught:
        objects.put("a", b"1", None)
    assert trouble(caught.value) == kind
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_big_body_gets_more_time() -> None:
    sizes = [0, 9_000_000, 10_000_000, 25_000_000, 900_000_000]
    assert [_seconds_for(size) for size in sizes] == [10, 10, 20, 40, 1280]
    assert all(_seconds_for(size) * 1e6 > size for size in sizes)
    assert REQUEST_SECONDS == 10
