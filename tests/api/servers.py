"""A real server over a store, and what tests watch of its pages in a browser."""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from playwright.sync_api import Browser, Page

from api.app import create_app
from api.web.access import Tokens
from api.web.streams import Server
from sweep.report.expense import NO_RATES, GpuRates


async def no_sleep(seconds: float) -> None:
    """Goes on at once."""


@contextmanager
def serving(
    root: Path,
    token: str | None = None,
    control_token: str | None = None,
    *,
    allowed_hosts: tuple[str, ...] = (),
    rates: GpuRates = NO_RATES,
    sleep: Callable[[float], Awaitable[None]] = no_sleep,
    **options: Any,
) -> Iterator[httpx2.Client]:
    """A real server in a thread, on a port of its own, and a client of it.

    `sleep` is what answers to wrong tokens wait by; `options` are uvicorn's.
    """
    tokens = Tokens(token, control_token)
    app = create_app(root, tokens, allowed_hosts=allowed_hosts, rates=rates)
    app.state.slowdown.sleep = sleep
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_level="warning", lifespan="on", **options
    )
    server = Server(config, app.state.service.streams)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert server.started, "the server did not start"
    port = server.servers[0].sockets[0].getsockname()[1]
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
        yield client
    server.should_exit = True
    thread.join(10)


def wait_for(happened: Callable[[], bool], seconds: float = 15) -> None:
    """Fails if it does not happen in that time."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def watch(page: Page, home: str) -> list[str]:
    """Everything that a page must not do, as it happens."""
    seen: list[str] = []
    page.on("console", lambda m: seen.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: seen.append(str(error)))

    def off_host(url: str) -> None:
        if not url.startswith((home, "data:", "blob:")):
            seen.append(f"asked {url}")

    page.on("request", lambda request: off_host(request.url))
    return seen


def draw_all(page: Page) -> int:
    """Scrolls to each figure and waits until it is drawn; returns how many there are."""
    figures = page.locator("[data-figure]")
    for k in range(figures.count()):
        figures.nth(k).scroll_into_view_if_needed()
        figures.nth(k).locator(".main-svg, .empty p").first.wait_for()
    return figures.count()


def opened_page(
    browser: Browser, http: httpx2.Client, path: str, **options: Any
) -> tuple[Page, list[str]]:
    """The page with all its figures drawn, and what it did that it must not do."""
    page = browser.new_page(**options)
    home = str(http.base_url).rstrip("/")
    seen = watch(page, home)
    page.goto(home + path)
    draw_all(page)
    return page, seen


def only_trial(http: httpx2.Client, **query: str) -> dict[str, Any]:
    (item,) = http.get("/results", params=query).json()["items"]
    return item


def result_items(http: httpx2.Client, **query: Any) -> list[dict[str, Any]]:
    response = http.get("/results", params={"limit": 1000, **query})
    assert response.status_code == 200, response.text
    return response.json()["items"]


def collapsed_trial(http: httpx2.Client) -> str:
    return http.get("/results?method=sn&status=collapsed").json()["items"][0]["trial_id"]
