"""A sweep's figure as JSON for its page, and what all such answers share: parse, ask, draw."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request

from api import models, sweep_figures
from api.addresses import at
from api.caching import conditional
from api.paging import MAX_LIMIT
from api.parameters import Now, Serving, known_parameters
from api.problems import RESPONSES
from api.reading import on_demand, plans
from api.reading.snapshot import Snapshot

router = APIRouter(
    prefix="/figures", tags=["figures"], dependencies=[Depends(known_parameters)],
    responses=RESPONSES,
)  # fmt: skip

Layer = Annotated[int, Query(ge=0)]


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


def tag_trial(
    request: Request, service: Serving, trial_id: str, snapshot_id: str, *tables: str
) -> None:
    """The marks are in the snapshot, the lines in files of their own."""
    paths = [on_demand.table_path(table, trial_id) for table in tables]
    conditional(
        request, " ".join([snapshot_id, *(on_demand.stamp(service.store, p) for p in paths)])
    )
