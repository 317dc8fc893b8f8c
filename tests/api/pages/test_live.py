"""Pages that follow the store, in tabs of a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from sweep.store.store import Store
from tests.api.conftest import CHROMIUM
from tests.api.servers import serving, wait_for
from tests.api.stores import identity, write_driver, write_plan, write_trial
from tests.api.tabs import Tabs, opened_browser
from tests.api.web.listening import gauge
from tests.conftest import Proxy

TRIALS = [identity("C_32-32", "sn", seed) for seed in range(3)]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A running sweep `a` of three trials of which none has begun."""
    store = Store(tmp_path / "results")
    write_plan(store, "a", TRIALS)
    write_driver(store, "a")
    return store


@pytest.fixture
def live(store: Store) -> Iterator[httpx2.Client]:
    with serving(Path(store.base)) as http:
        yield http


@pytest.fixture
def tabs(tmp_path: Path) -> Iterator[Tabs]:
    if CHROMIUM is None:
        pytest.skip("no chromium on PATH: no tab was looked at (apt-get install chromium)")
    with opened_browser(CHROMIUM, tmp_path / "profile") as tabs:
        yield tabs


def test_one_stream_serves_every_tab(tabs: Tabs, live: httpx2.Client, store: Store) -> None:
    home = str(live.base_url).rstrip("/")
    trial = f"/view/trials/{TRIALS[0]['trial_id']}"
    paths = ["/", "/view/sweeps/a", "/view/trials", trial] * 2
    opened = [tabs.open(home + path) for path in paths]
    wait_for(lambda: gauge(live) == 1)
    for tab in opened:
        assert tabs.evaluate(tab, "document.visibilityState") == "visible"
        asked = "fetch('/healthz', { signal: AbortSignal.timeout(10_000) }).then((r) => r.status)"
        assert tabs.evaluate(tab, asked) == 200, "a connection is left"
    assert gauge(live) == 1
    write_trial(store, TRIALS[0], "running")
    says = ["2 planned, 1 running", "2 planned, 1 running", "running", "running"] * 2
    for tab, text in zip(opened, says, strict=True):
        wait_for(lambda: tabs.says(tab, text))  # noqa: B023
    # The tab that came first began the stream; it is nobody's, and goes on without that tab.
    tabs.close(opened[0])
    write_trial(store, TRIALS[1], "running")
    for tab in (opened[1], opened[4], opened[5]):
        wait_for(lambda: tabs.says(tab, "1 planned, 2 running"))  # noqa: B023
    assert gauge(live) == 1


def test_a_hidden_tab_keeps_no_stream(tabs: Tabs, live: httpx2.Client, store: Store) -> None:
    home = str(live.base_url).rstrip("/")
    front = tabs.open("about:blank")
    hidden = [tabs.open(home, hidden=True) for _ in range(2)]
    for tab in hidden:
        assert tabs.evaluate(tab, "document.visibilityState") == "hidden"
        scripts = "performance.getEntriesByType('resource').map((one) => one.name).join()"
        assert "/live.js" in tabs.evaluate(tab, scripts)
    assert gauge(live) == 0
    write_trial(store, TRIALS[0], "running")
    wait_for(lambda: "running" in live.get("/").text)
    tabs.show(hidden[0])
    wait_for(lambda: tabs.says(hidden[0], "2 planned, 1 running"))
    assert not tabs.says(hidden[1], "2 planned, 1 running")
    wait_for(lambda: gauge(live) == 1)
    tabs.show(hidden[1])
    wait_for(lambda: tabs.says(hidden[1], "2 planned, 1 running"))
    assert gauge(live) == 1
    tabs.show(front)
    wait_for(lambda: gauge(live) == 0)


def test_no_change_is_missed_by_a_lost_connection(
    tabs: Tabs, live: httpx2.Client, store: Store
) -> None:
    proxy = Proxy(("127.0.0.1", live.base_url.port or 0))
    home = f"http://127.0.0.1:{proxy.port}"
    opened = [tabs.open(home + path) for path in ("/", "/view/sweeps/a")]
    wait_for(lambda: gauge(live) == 1)
    proxy.cut()
    wait_for(lambda: gauge(live) == 0)
    write_trial(store, TRIALS[0], "running")
    wait_for(lambda: "running" in live.get("/").text)
    proxy.restore()
    for tab in opened:
        wait_for(lambda: tabs.says(tab, "2 planned, 1 running"))  # noqa: B023
    assert gauge(live) == 1
    proxy.cut()
