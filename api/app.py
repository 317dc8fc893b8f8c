"""Assembles the application from its routers, middleware and handlers of errors."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.staticfiles import StaticFiles

from api import preload
from api.compare import page as compare_page
from api.compare import routes as compare_routes
from api.notes import routes as note_routes
from api.orders import page as orders_page
from api.orders import routes as order_routes
from api.pages import assets, login, rendering
from api.paper import detector_routes
from api.paper import page as paper_page
from api.paper import routes as paper_routes
from api.paper.figures import routes as paper_figure_routes
from api.paper.table2 import warm
from api.reading.snapshot import NotFound
from api.reading.version import code_version
from api.results import mean_routes
from api.results import page as results_page
from api.results import routes as results_routes
from api.searches import page as search_page
from api.searches import routes as search_routes
from api.sql import routes as sql_routes
from api.sweeps import action_routes
from api.sweeps import page as sweeps_page
from api.sweeps import routes as sweep_routes
from api.trials import figure_routes as trial_figure_routes
from api.trials import generator_routes
from api.trials import page as trial_page
from api.trials import routes as trial_routes
from api.web import addresses, events, llms, operation, problems
from api.web.access import Tokens
from api.web.downloads import Downloads
from api.web.etags import CachedResponse, NotModified, ResponseCache, ResponseCaching
from api.web.formats import BYTES, PARQUET
from api.web.guard import Guard
from api.web.head import Head
from api.web.hosts import canonical_host
from api.web.latency import Latency
from api.web.service import open_service
from api.web.slowdown import Slowdown
from sweep.report.expense import NO_RATES, GpuRates
from sweep.store.retry import READER_PATIENCE_SECONDS
from sweep.store.store import Store

# A small store is read before the first answer; a big one while the service answers 503.
FIRST_PASS_SECONDS = 2.0
TIDYING_SECONDS = 15.0
# In the order of the description.
ROUTERS = (
    results_routes.router,
    sql_routes.router,
    mean_routes.router,
    sweep_routes.router,
    search_routes.router,
    trial_routes.router,
    note_routes.router,
    generator_routes.router,
    paper_routes.router,
    detector_routes.router,
    operation.router,
    llms.router,
    sweep_routes.figure_router,
    search_routes.figure_router,
    paper_figure_routes.router,
    detector_routes.figure_router,
    trial_figure_routes.router,
    compare_routes.router,
    sweeps_page.router,
    search_page.router,
    results_page.router,
    trial_page.router,
    compare_page.router,
    paper_page.router,
    detector_routes.page_router,
    assets.router,
    login.router,
    events.router,
    action_routes.router,
    order_routes.router,
    orders_page.router,
)
DESCRIPTION = """\
Sweeps over SN-GAN and SR-GAN training, what was measured so far, and the paper's Table II.

A number that is not finite is null, and `nonfinite` says which it was. Everything that is read
from the store has an ETag. Errors are `application/problem+json`.
"""


def create_app(
    root: str | Path | Store,
    tokens: Tokens | None = None,
    cache_folder: Path | None = None,
    allowed_hosts: Collection[str] = (),
    rates: GpuRates = NO_RATES,
) -> FastAPI:
    """The service over a store, or the one at `root`.

    Without tokens everybody reads and nobody controls; without rates it tells GPU-hours alone.

    Without a read token it is asked by names of the loopback, its address and `allowed_hosts`
    alone; with one by any name, unless there are `allowed_hosts`. Raises StoreError if the root is
    no folder or URI.
    """
    tokens = tokens or Tokens()
    hosts_matter = tokens.read is None or allowed_hosts
    hosts = frozenset(map(canonical_host, allowed_hosts)) if hosts_matter else None
    store = Store(root, READER_PATIENCE_SECONDS) if isinstance(root, str | Path) else root
    service = open_service(store, cache_folder, rates)

    app = FastAPI(
        title="srgan-sweep",
        description=DESCRIPTION,
        lifespan=_watching,
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    app.state.tokens = tokens
    app.state.slowdown = Slowdown()
    # What a process that is there for this service alone does, once and from time to time:
    # see `preload.settle` and `preload.give_back`.
    app.state.after_warming = lambda: None
    app.state.tidying = lambda: None
    problems.install(app, _refuse)
    app.add_exception_handler(NotFound, _refused)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(NotModified, _not_modified)
    app.add_exception_handler(CachedResponse, _cached_response)
    # More compression takes as long as all the rest of an answer, and saves a tenth of its size.
    app.add_middleware(
        GZipMiddleware,
        minimum_size=1000,
        compresslevel=4,
        # Compressed inside, and asked for by parts, which have to be of the same bytes.
        exclude_content_types=(*DEFAULT_EXCLUDED_CONTENT_TYPES, PARQUET, BYTES),
    )
    app.state.order_files = {}
    app.state.downloads = Downloads()
    app.state.response_cache = ResponseCache()
    app.add_middleware(ResponseCaching, response_cache=app.state.response_cache)
    app.add_middleware(Guard, tokens=tokens, slowdown=app.state.slowdown, allowed_hosts=hosts)
    app.add_middleware(Head)
    app.add_middleware(Latency, histograms=service.latency)
    for router in ROUTERS:
        app.include_router(router)
    problems.describe(app)
    # The address has the version, so that no browser shows a page with an older script.
    static = StaticFiles(directory=Path(__file__).parent / "pages" / "static")
    app.mount(f"/static/{code_version()}", static, name="static")
    return app


@contextlib.asynccontextmanager
async def _watching(app: FastAPI) -> AsyncIterator[None]:
    """Watches the store, warms up and tidies for as long as the service lasts."""
    service, stop = app.state.service, threading.Event()
    await run_in_threadpool(preload.load)
    service.watcher.start(FIRST_PASS_SECONDS)

    def warm_up() -> None:
        warm(service, stop)
        app.state.after_warming()

    def tidy_up() -> None:
        while not stop.wait(TIDYING_SECONDS):
            app.state.tidying()

    threads = [
        threading.Thread(target=warm_up, name="warming", daemon=True),
        threading.Thread(target=tidy_up, name="tidying", daemon=True),
    ]
    for thread in threads:
        thread.start()
    yield
    stop.set()
    service.watcher.stop()
    for thread in threads:
        thread.join()


# Asynchronous, to need no thread: see `problems.install`.
async def _not_modified(request: Request, error: Exception) -> Response:
    return Response(status_code=304)


async def _cached_response(request: Request, error: Exception) -> Response:
    assert isinstance(error, CachedResponse)
    return error.response


async def _refused(request: Request, error: Exception) -> Response:
    status, detail, headers = 404, str(error), {}
    if isinstance(error, HTTPException):
        status, detail, headers = error.status_code, error.detail, dict(error.headers or {})
    response = _refuse(request, status, detail)
    response.headers.update(headers)
    return response


def _refuse(request: Request, status: int, detail: str, **members: Any) -> Response:
    """Answers a person with a page and a program with a problem."""
    if addresses.is_page(request):
        return rendering.refusal(request, status, detail)
    return problems.problem(request, status, detail, **members)
