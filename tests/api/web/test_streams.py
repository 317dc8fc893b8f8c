"""Open streams: how many there may be, and how they end."""

from __future__ import annotations

import gc
import time
from pathlib import Path

import httpx2
import pytest

from api.web import events, streams
from sweep.store.store import Store
from tests.api.servers import serving, wait_for
from tests.api.stores import identity, write_driver, write_trial
from tests.api.web.listening import connected, gauge, listening


def test_open_streams_are_counted_and_limited(
    live: httpx2.Client, monkeypatch: pytest.MonkeyPatch
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
    wait_for(lambda: gauge(live) == 0)
    with listening(live) as again:
        again.next()
    assert 'route="/events",status="2xx"' not in live.get("/metrics").text


def test_the_service_stops_under_open_streams(store: Store) -> None:
    with serving(Path(store.base)) as http:
        clients = [connected(http) for _ in range(5)]
        wait_for(lambda: gauge(http) == 5)
        began = time.monotonic()
    assert time.monotonic() - began < 4, "it would wait for ten seconds"
    for client in clients:
        client.settimeout(5)
        content = b""
        while part := client.recv(65536):
            content += part
        assert content.endswith(b"0\r\n\r\n"), "a whole answer, not a broken one"
        client.close()


@pytest.mark.slow
# The connection of the client that is stuck is broken off with the thread of its server.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_client_that_reads_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds up neither others nor the end of the service, and nothing piles up for it."""
    padding = "x" * 8_000_000  # more than the sockets hold
    original = events._change
    monkeypatch.setattr(
        events,
        "_change",
        lambda *of: original(*of).model_copy(update={"comment": padding}),
    )
    with serving(Path(store.base), timeout_graceful_shutdown=1) as http:
        stuck, slow = connected(http), connected(http)
        wait_for(lambda: gauge(http) == 2)
        for slots in range(3, 15):
            write_driver(store, "a", slots=slots)
            time.sleep(1.2)
        write_trial(store, identity("C_32-32", "sn", 0))
        wait_for(lambda: len(http.get("/results?status=collapsed").json()["items"]) == 1)
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
