"""Streams of events over real connections, on a store that grows."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx2
import pytest

from api.reading import changes
from api.reading.changes import Changes
from api.reading.snapshot import Snapshot, Watcher
from api.web import events, streams
from api.web.service import Service, open_service
from sweep.store.store import Store


class Stream:
    """Events of an answer, one at a time."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self.lines = response.iter_lines()

    def next(self) -> dict[str, Any]:
        """The next event, with its data read; fails at the end of the answer."""
        found: dict[str, Any] = {}
        for line in self.lines:
            if not line and found:
                return {**found, "data": json.loads(found["data"])}
            name, _, value = line.partition(": ")
            if name:
                found[name] = value
        raise AssertionError("the stream has ended")


@contextmanager
def listening(
    http: httpx2.Client, path: str = "/events", after: str | None = None
) -> Iterator[Stream]:
    headers = {} if after is None else {"Last-Event-ID": after}
    with http.stream("GET", path, headers=headers) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Stream(response)


@pytest.fixture
def store(tmp_path: Path, kit: ModuleType) -> Store:
    """Two running sweeps, `a` and `b`, with two trials each of which none has begun."""
    store = Store(tmp_path / "results")
    for name, method in (("a", "sn"), ("b", "sr-static")):
        kit.write_plan(store, name, [kit.identity("C_32-32", method, seed) for seed in (0, 1)])
        kit.write_driver(store, name)
    return store


@pytest.fixture
def live(store: Store, kit: ModuleType) -> Iterator[httpx2.Client]:
    with kit.serving(Path(store.base)) as http:
        yield http


def gauge(http: httpx2.Client) -> int:
    lines = http.get("/metrics").text.splitlines()
    (value,) = (line.split()[1] for line in lines if line.startswith("sweep_event_streams "))
    return int(value)


def test_what_changes_is_told(live: httpx2.Client, store: Store, kit: ModuleType) -> None:
    who = kit.identity("C_32-32", "sn", 0)
    with listening(live) as stream:
        first = stream.next()
        assert first["event"] == "change"
        assert first["data"]["changed"] == first["data"]["sweeps"] == []
        assert first["data"]["counts"] == {"planned": 4}
        kit.write_trial(store, who, "running")
        told = stream.next()
        assert told["data"]["changed"] == [who["trial_id"]]
        assert told["data"]["sweeps"] == ["a"]
        assert told["data"]["counts"] == {"planned": 3, "running": 1}
        assert told["data"]["more"] == 0
        assert told["data"]["snapshot"] == live.get("/results").json()["snapshot"]
        kit.write_driver(store, "b", slots=7)
        beat = stream.next()
        assert (beat["data"]["changed"], beat["data"]["sweeps"]) == ([], ["b"])
        assert first["id"] != told["id"] != beat["id"]


def test_a_sweep_tells_of_itself_alone(live: httpx2.Client, store: Store, kit: ModuleType) -> None:
    who = kit.identity("C_32-32", "sr-static", 1)
    with listening(live, "/sweeps/b/events") as stream:
        first = stream.next()
        assert first["data"]["counts"] == {"planned": 2}
        kit.write_trial(store, kit.identity("C_32-32", "sn", 0))
        kit.wait_for(lambda: len(live.get("/results?status=collapsed").json()["items"]) == 1)
        kit.write_trial(store, who)
        told = stream.next()
        assert told["data"]["changed"] == [who["trial_id"]]
        assert told["data"]["sweeps"] == ["b"]
        assert told["data"]["counts"] == {"planned": 1, "completed": 1}
    unknown = live.get("/sweeps/c/events")
    assert unknown.status_code == 404
    assert unknown.headers["content-type"] == "application/problem+json"
    assert gauge(live) <= 1, "no place is kept for it"


def test_it_goes_on_where_it_ended(live: httpx2.Client, store: Store, kit: ModuleType) -> None:
    with listening(live) as stream:
        last = stream.next()["id"]
    trials = [kit.identity("C_32-32", method, 0) for method in ("sn", "sr-static")]
    for who in trials:
        before = live.get("/readyz").json()["snapshot"]
        kit.write_trial(store, who)
        kit.wait_for(lambda: live.get("/readyz").json()["snapshot"] != before)  # noqa: B023
    time.sleep(1)
    with listening(live, after=last) as stream:
        told = stream.next()
        assert told["data"]["changed"] == sorted(who["trial_id"] for who in trials), "in one event"
        assert told["data"]["sweeps"] == ["a", "b"]
        last = told["id"]
    kit.write_driver(store, "a", slots=5)
    with listening(live, after=last) as stream:
        assert stream.next()["data"]["sweeps"] == ["a"], "and none is told twice"


@pytest.mark.parametrize(
    "after", ["", "0", "x-1", "{start}-999", "{start}--1", "{start}-1e3", "-"]
)
def test_an_unknown_id_starts_again(live: httpx2.Client, after: str) -> None:
    with listening(live) as stream:
        start = stream.next()["id"].partition("-")[0]
    with listening(live, after=after.format(start=start)) as stream:
        reset = stream.next()
        assert reset["event"] == "reset"
        assert reset["data"] == {"snapshot": live.get("/results").json()["snapshot"]}
        assert reset["id"].startswith(f"{start}-")


def test_an_id_of_before_a_restart_is_unknown(store: Store, kit: ModuleType) -> None:
    with kit.serving(Path(store.base)) as http, listening(http) as stream:
        last = stream.next()["id"]
    with kit.serving(Path(store.base)) as http, listening(http, after=last) as stream:
        assert stream.next()["event"] == "reset"


def test_a_sweep_that_falls_silent_is_told_of(
    store: Store, kit: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written: it stalls by the clock."""
    monkeypatch.setattr("api.sweeps.progress.SILENT", timedelta(seconds=6))
    with kit.serving(Path(store.base)) as http, listening(http, "/sweeps/a/events") as stream:
        stream.next()
        kit.write_driver(store, "a", slots=5)
        heard = stream.next()
        assert http.get("/sweeps/a").json()["state"] == "running"
        told = stream.next()
        assert http.get("/sweeps/a").json()["state"] == "stalled"
        assert told["data"]["snapshot"] == heard["data"]["snapshot"]
        assert told["data"]["sweeps"] == ["a"]


def test_at_most_one_a_second(live: httpx2.Client, store: Store, kit: ModuleType) -> None:
    with listening(live) as stream:
        stream.next()
        times = []
        for slots in range(3, 6):
            kit.write_driver(store, "a", slots=slots)
            stream.next()
            times.append(time.monotonic())
        gaps = [after - before for before, after in itertools.pairwise(times)]
        assert min(gaps) > 0.9


def test_a_quiet_stream_is_kept_alive(
    live: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastapi.routing._PING_INTERVAL", 0.3)
    with listening(live) as stream:
        stream.next()
        assert next(line for line in stream.lines if line) == ": ping"


def test_open_streams_are_counted_and_limited(
    live: httpx2.Client, monkeypatch: pytest.MonkeyPatch, kit: ModuleType
) -> None:
    monkeypatch.setattr(streams, "MAX_STREAMS", 2)
    assert gauge(live) == 0
    with listening(live) as one, listening(live, "/sweeps/a/events") as two:
        assert one.next()["event"] == two.next()["event"] == "change"
        assert gauge(live) == 2
        refused = live.get("/events")
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "10"
        assert "2 streams" in refused.json()["detail"]
    # A client that goes makes room, though nothing is sent to it.
    kit.wait_for(lambda: gauge(live) == 0)
    with listening(live) as again:
        again.next()
    assert 'route="/events",status="2xx"' not in live.get("/metrics").text


def connected(http: httpx2.Client, path: str = "/events", buffer: int = 2048) -> socket.socket:
    """A connection that has asked for a stream and reads nothing."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    client.connect(("127.0.0.1", http.base_url.port))
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    return client


def test_the_service_stops_under_open_streams(store: Store, kit: ModuleType) -> None:
    with kit.serving(Path(store.base)) as http:
        clients = [connected(http) for _ in range(5)]
        kit.wait_for(lambda: gauge(http) == 5)
        began = time.monotonic()
    assert time.monotonic() - began < 4, "it would wait for ten seconds"
    for client in clients:
        client.settimeout(5)
        content = b""
        while part := client.recv(65536):
            content += part
        assert content.endswith(b"0\r\n\r\n"), "a whole answer, not a broken one"
        client.close()


def look(watch: Changes, watcher: Watcher, now: datetime | None = None) -> Snapshot:
    watcher.refresh()
    assert watcher.current is not None
    watch.look(watcher.current, now or datetime.now(UTC))
    return watcher.current


def test_history(tmp_path: Path, kit: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MAX_CHANGES", 3)
    store, watch = Store(tmp_path), Changes()
    trials = [kit.identity("C_32-32", "sn", seed) for seed in range(4)]
    ids = [who["trial_id"] for who in trials]
    kit.write_plan(store, "s", trials[:3])
    watcher = Watcher(store)
    look(watch, watcher)
    assert watch.history.since(0) == []
    look(watch, watcher)
    assert watch.history.sequence == 0, "nothing has changed"
    for who in trials:
        kit.write_trial(store, who)
        look(watch, watcher)
    assert watch.history.since(0) is None, "too long ago"
    assert watch.history.since(5) is None, "not yet"
    missed = watch.history.since(1)
    assert missed is not None
    assert [sorted(change.trials) for change in missed] == [[one] for one in ids[1:]]
    assert [sorted(change.sweeps) for change in missed] == [["s"], ["s"], []]
    (tmp_path / f"trials/{ids[0]}.parquet").unlink()
    (tmp_path / f"trials/{ids[3]}.parquet").unlink()
    look(watch, watcher)
    missed = watch.history.since(4)
    assert missed is not None
    assert [change.trials for change in missed] == [{ids[0], ids[3]}], (
        "one is planned again, one is gone"
    )


def test_history_is_bounded_by_what_it_holds(
    tmp_path: Path, kit: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "MAX_IDS", 5)
    store, watch = Store(tmp_path), Changes()
    watcher = Watcher(store)
    look(watch, watcher)
    for sweep in range(4):
        method = ("sn", "sr-static", "sn-renorm", "sr-lift")[sweep]
        kit.write_plan(store, str(sweep), [kit.identity("C_32-32", method, k) for k in range(3)])
        look(watch, watcher)
    assert [len(change.trials) for change in watch.history.held] == [3]
    assert watch.history.since(3) is not None
    assert watch.history.since(2) is None


def test_a_slow_client_gets_the_latest_state(
    store: Store, kit: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever happened since it took an event is one event, and nothing waits for it."""
    monkeypatch.setattr(events, "GAP_SECONDS", 0.0)
    service = open_service(store, None)
    look(service.changes, service.watcher)

    async def take() -> None:
        told = events.follow(service, None)
        await anext(told)
        trials = [kit.identity("C_32-32", m, k) for m in ("sn", "sr-static") for k in (0, 1)]
        for who in trials:
            kit.write_trial(store, who)
            look(service.changes, service.watcher)
        event = await anext(told)
        assert event.data.changed == sorted(who["trial_id"] for who in trials)
        assert event.data.counts == {"completed": 2, "collapsed": 2}
        assert event.id == f"{service.changes.start}-4"
        service.streams.close()
        assert [one async for one in told] == []

    asyncio.run(take())


def test_many_changes_are_counted(store: Store, kit: ModuleType) -> None:
    service: Service = open_service(store, None)
    look(service.changes, service.watcher)

    async def take() -> None:
        told = events.follow(service, None)
        await anext(told)
        kit.write_plan(store, "c", [kit.identity("B_64-64", "sn", k) for k in range(130)])
        look(service.changes, service.watcher)
        event = await anext(told)
        assert len(event.data.changed) == 100
        assert event.data.more == 30

    asyncio.run(take())


@pytest.mark.slow
# The connection of the client that is stuck is broken off with the thread of its server.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_client_that_reads_nothing(
    store: Store, kit: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds up neither others nor the end of the service, and nothing piles up for it."""
    padding = "x" * 8_000_000  # more than the sockets hold
    original = events._change
    monkeypatch.setattr(
        events, "_change",
        lambda *of: original(*of).model_copy(update={"comment": padding}),
    )  # fmt: skip
    with kit.serving(Path(store.base), timeout_graceful_shutdown=1) as http:
        stuck, slow = connected(http), connected(http)
        kit.wait_for(lambda: gauge(http) == 2)
        for slots in range(3, 15):
            kit.write_driver(store, "a", slots=slots)
            time.sleep(1.2)
        kit.write_trial(store, kit.identity("C_32-32", "sn", 0))
        kit.wait_for(lambda: len(http.get("/results?status=collapsed").json()["items"]) == 1)
        slow.settimeout(5)
        content = b""
        while b'"collapsed":1' not in content:
            part = slow.recv(1 << 20)
            assert part, "the stream has ended"
            content += part.replace(b"x", b"")
        # Six on their way, in FastAPI's and uvicorn's hands, and all that came after in one.
        assert content.count(b"event: change") <= 7, "of more than twelve"
        slow.close()
        began = time.monotonic()
    assert time.monotonic() - began < 5
    stuck.close()
    gc.collect()
