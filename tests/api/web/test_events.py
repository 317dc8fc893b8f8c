"""Streams of events over real connections, on a store that grows."""

from __future__ import annotations

import asyncio
import itertools
import time
from pathlib import Path

import httpx2
import pytest

from api.web import events
from api.web.service import Service, open_service
from sweep.store.store import Store
from tests.api.reading.looking import look
from tests.api.servers import serving, wait_for
from tests.api.stores import identity, write_driver, write_plan, write_trial
from tests.api.web.listening import gauge, listening


def test_what_changes_is_told(live: httpx2.Client, store: Store) -> None:
    who = identity("C_32-32", "sn", 0)
    with listening(live) as stream:
        first = stream.next()
        assert first["event"] == "change"
        assert first["data"]["changed"] == first["data"]["sweeps"] == []
        assert first["data"]["counts"] == {"planned": 4}
        write_trial(store, who, "running")
        told = stream.next()
        assert told["data"]["changed"] == [who["trial_id"]]
        assert told["data"]["sweeps"] == ["a"]
        assert told["data"]["counts"] == {"planned": 3, "running": 1}
        assert told["data"]["more"] == 0
        assert told["data"]["snapshot"] == live.get("/results").json()["snapshot"]
        write_driver(store, "b", slots=7)
        beat = stream.next()
        assert (beat["data"]["changed"], beat["data"]["sweeps"]) == ([], ["b"])
        assert first["id"] != told["id"] != beat["id"]


def test_a_sweep_tells_of_itself_alone(live: httpx2.Client, store: Store) -> None:
    who = identity("C_32-32", "sr-static", 1)
    with listening(live, "/sweeps/b/events") as stream:
        first = stream.next()
        assert first["data"]["counts"] == {"planned": 2}
        write_trial(store, identity("C_32-32", "sn", 0))
        wait_for(lambda: len(live.get("/results?status=collapsed").json()["items"]) == 1)
        write_trial(store, who)
        told = stream.next()
        assert told["data"]["changed"] == [who["trial_id"]]
        assert told["data"]["sweeps"] == ["b"]
        assert told["data"]["counts"] == {"planned": 1, "completed": 1}
    unknown = live.get("/sweeps/c/events")
    assert unknown.status_code == 404
    assert unknown.headers["content-type"] == "application/problem+json"
    assert gauge(live) <= 1, "no place is kept for it"


def test_it_goes_on_where_it_ended(live: httpx2.Client, store: Store) -> None:
    with listening(live) as stream:
        last = stream.next()["id"]
    trials = [identity("C_32-32", method, 0) for method in ("sn", "sr-static")]
    for who in trials:
        before = live.get("/readyz").json()["snapshot"]
        write_trial(store, who)
        wait_for(lambda: live.get("/readyz").json()["snapshot"] != before)  # noqa: B023
    time.sleep(1)
    with listening(live, after=last) as stream:
        told = stream.next()
        assert told["data"]["changed"] == sorted(who["trial_id"] for who in trials), "in one event"
        assert told["data"]["sweeps"] == ["a", "b"]
        last = told["id"]
    write_driver(store, "a", slots=5)
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


def test_an_id_of_before_a_restart_is_unknown(store: Store) -> None:
    with serving(Path(store.base)) as http, listening(http) as stream:
        last = stream.next()["id"]
    with serving(Path(store.base)) as http, listening(http, after=last) as stream:
        assert stream.next()["event"] == "reset"


def test_a_sweep_that_falls_silent_is_told_of(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written: it stalls by the clock."""
    monkeypatch.setattr("sweep.store.ownership.STALE_SECONDS", 6.0)
    with serving(Path(store.base)) as http, listening(http, "/sweeps/a/events") as stream:
        stream.next()
        write_driver(store, "a", slots=5)
        heard = stream.next()
        assert http.get("/sweeps/a").json()["state"] == "running"
        told = stream.next()
        assert http.get("/sweeps/a").json()["state"] == "stalled"
        assert told["data"]["snapshot"] == heard["data"]["snapshot"]
        assert told["data"]["sweeps"] == ["a"]


def test_at_most_one_a_second(live: httpx2.Client, store: Store) -> None:
    with listening(live) as stream:
        stream.next()
        times = []
        for slots in range(3, 6):
            write_driver(store, "a", slots=slots)
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


def test_a_slow_client_gets_the_latest_state(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever happened since it took an event is one event, and nothing waits for it."""
    monkeypatch.setattr(events, "GAP_SECONDS", 0.0)
    service = open_service(store, None)
    look(service.changes, service.watcher)

    async def take() -> None:
        told = events.follow(service, None)
        await anext(told)
        trials = [identity("C_32-32", m, k) for m in ("sn", "sr-static") for k in (0, 1)]
        for who in trials:
            write_trial(store, who)
            look(service.changes, service.watcher)
        event = await anext(told)
        assert event.data.changed == sorted(who["trial_id"] for who in trials)
        assert event.data.counts == {"completed": 2, "collapsed": 2}
        assert event.id == f"{service.changes.start}-4"
        service.streams.close()
        assert [one async for one in told] == []

    asyncio.run(take())


def test_many_changes_are_counted(store: Store) -> None:
    service: Service = open_service(store, None)
    look(service.changes, service.watcher)

    async def take() -> None:
        told = events.follow(service, None)
        await anext(told)
        write_plan(store, "c", [identity("B_64-64", "sn", k) for k in range(130)])
        look(service.changes, service.watcher)
        event = await anext(told)
        assert len(event.data.changed) == 100
        assert event.data.more == 30

    asyncio.run(take())
