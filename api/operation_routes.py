"""How the service itself is."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from api import models
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
def readyz(response: Response, service: Serving) -> models.Readiness:
    """Whether the answers come from a store that is there and is being watched; 503 if not."""
    readiness = service.readiness()
    response.status_code = 200 if readiness.ready else 503
    return readiness
