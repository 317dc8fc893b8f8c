"""Probes of the service and its metrics: answered by the event loop, whatever the threads do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from anyio import to_thread
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel

from api.web.metrics import MEDIA_TYPE, exposition, store_metrics
from api.web.parameters import Serving, known_parameters
from api.web.problems import RESPONSES
from api.web.service import Readiness

router = APIRouter(
    tags=["operation"], dependencies=[Depends(known_parameters)], responses=RESPONSES
)


class Health(BaseModel):
    status: Literal["ok"]


@router.get("/healthz")
async def healthz() -> Health:
    """The process answers. Looks at nothing."""
    return Health(status="ok")


@router.get("/readyz", responses={503: {"model": Readiness}})
async def readyz(request: Request, response: Response, service: Serving) -> Readiness:
    """Whether the answers come from a store that is there and is being watched; 503 if not.

    Needs no token, as probes have none; without one it names neither the store nor its files.
    """
    readiness = service.readiness(details=request.state.trusted)
    response.status_code = 200 if readiness.ready else 503
    return readiness


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def prometheus(service: Serving) -> Response:
    """Sweeps by state, trials by status, collapses, failures, compute, unreadable files, age of
    the snapshot, and latency by route."""
    store = None
    if (snapshot := service.watcher.current) is not None:
        # A new snapshot takes longer than the loop may be held up, and the pool may be full.
        store = await to_thread.run_sync(store_metrics, snapshot, limiter=service.metrics_thread)
    content = exposition(service, store, datetime.now(UTC))
    return Response(content, media_type=MEDIA_TYPE)
