"""The pages over ten thousand trials: whole, small enough to be sent, and quiet."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, Request

from tests.api.servers import draw_all, serving, wait_for, watch

# The first one waits for the store to be made up and read: three minutes, on a busy machine more.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

GENERATOR = Path(__file__).parents[1] / "benchmarks" / "store.py"
TRIALS = 10_000
# What a page may cost a slow line, compressed: the page itself, and all the JSON of its figures.
MOST_BYTES = 300_000


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    root = tmp_path_factory.mktemp("ten thousand")
    command = [sys.executable, str(GENERATOR), str(root), f"--trials={TRIALS}", "--rows-only"]
    subprocess.run(command, check=True, timeout=600, cwd=GENERATOR.parents[2])
    with serving(root) as http:
        wait_for(lambda: http.get("/readyz").status_code == 200, 500)
        yield http


def weight(request: Request) -> int:
    """Bytes of a page or of JSON as they were sent; 0 for what is not of the store."""
    response = request.response()
    kind = "" if response is None else response.headers.get("content-type", "")
    wanted = kind.startswith(("text/html", "application/json"))
    return request.sizes()["responseBodySize"] if wanted else 0


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/", "10,000 trials in"),
        ("/view/sweeps/everything", "trials: "),
        ("/view/searches/everything", "trials count"),
        ("/view/trials", "10,000 trials, 50 on this page"),
        ("/view/trials?by=setting,method", "groups of 10,000 trials"),
        ("/view/trials/{id}", "Mode collapse from iteration"),
        ("/paper", "Published and measured"),
    ],
)
def test_a_page_stays_small(browser: Browser, big: httpx2.Client, path: str, says: str) -> None:
    home = str(big.base_url).rstrip("/")
    (trial,) = big.get("/results?status=collapsed&limit=1").json()["items"]
    page = browser.new_page()
    page.set_default_timeout(120_000)
    seen = watch(page, home)
    asked: list[Request] = []
    page.on("requestfinished", lambda request: asked.append(request))
    page.goto(home + path.format(id=trial["trial_id"]))
    page.get_by_text(says).first.wait_for()
    draw_all(page)
    assert page.locator(".js-plotly-plot .main-svg:first-child").count() <= 6
    sizes = {request.url: size for request in asked if (size := weight(request))}
    assert sum(sizes.values()) <= MOST_BYTES, sizes
    assert seen == []
    page.close()
