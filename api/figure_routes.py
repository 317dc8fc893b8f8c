"""A sweep's figure as JSON for its page, and what all such answers share: parse, ask, draw."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request

from api import models, sweep_figures
from api.reading import plans
from api.reading.snapshot import Snapshot
from api.web.addresses import at
from api.web.etags import conditional
from api.web.parameters import MAX_LIMIT, Now, known_parameters
from api.web.problems import RESPONSES

router = APIRouter(
    prefix="/figures", tags=["figures"], dependencies=[Depends(known_parameters)],
    responses=RESPONSES,
)  # fmt: skip


@router.get("/sweeps/{name}/best")
def best_of_sweep(request: Request, snapshot: Now, name: str) -> models.Figure:
    """How the best score of each method came down over the time of a sweep."""
    records = plans.plan_records(snapshot, name)
    conditional(request, snapshot.id)
    columns = "trial_id,method,dataset,status,best_fid,best_fd_digits,updated_at"
    query = urlencode({"sweep": name, "sort": "updated_at", "fields": columns, "limit": MAX_LIMIT})
    return shown(request, snapshot, sweep_figures.best_so_far(records, f"/results?{query}"))


def shown(request: Request, snapshot: Snapshot, figure: models.Figure) -> models.Figure:
    """The figure with what its caption tells, and with addresses that hold behind a proxy."""
    told = {"snapshot": snapshot.id, "source": at(request, figure.source)}
    return figure.model_copy(update=told)
