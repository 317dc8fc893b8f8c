"""How the service itself is."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from api import metrics, models
from api.parameters import Serving, known_parameters
from api.problems import RESPONSES

router = APIRouter(
    tags=["operation"], dependencies=[Depends(known_parameters)], responses=RESPONSES
)


@router.get("/healthz")
def healthz() -> models.Health:
    """The process answers. Looks at nothing."""
    return models.Health(status="ok")


@router.get("/readyz", responses={503: {"model": models.Readiness}})
def readyz(request: Request, response: Response, service: Serving) -> models.Readiness:
    """Whether the answers come from a store that is there and is being watched; 503 if not.

    Needs no token, as probes have none; without one it names neither the store nor its files.
    """
    readiness = service.readiness(named=request.state.trusted)
    response.status_code = 200 if readiness.ready else 503
    return readiness


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def prometheus(service: Serving) -> Response:
    """Trials by status, collapses, compute hours, age of the snapshot, and latency by route."""
    content = metrics.exposition(service.watcher, service.latency, service.streams.open)
    return Response(content, media_type=metrics.MEDIA_TYPE)
