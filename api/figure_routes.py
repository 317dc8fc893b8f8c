"""A sweep's figure as JSON for its page, and what all such answers share: parse, ask, draw."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request

from api import sweep_figures
from api.drawing import figure
from api.drawing.figure import shown
from api.reading import plans
from api.web.etags import conditional
from api.web.parameters import MAX_LIMIT, Now, known_parameters
from api.web.problems import RESPONSES

router = APIRouter(
    prefix="/figures", tags=["figures"], dependencies=[Depends(known_parameters)],
    responses=RESPONSES,
)  # fmt: skip


@router.get("/sweeps/{name}/best")
def best_of_sweep(request: Request, snapshot: Now, name: str) -> figure.Figure:
    """How the best score of each method came down over the time of a sweep."""
    records = plans.plan_records(snapshot, name)
    conditional(request, snapshot.id)
    columns = "trial_id,method,dataset,status,best_fid,best_fd_digits,updated_at"
    query = urlencode({"sweep": name, "sort": "updated_at", "fields": columns, "limit": MAX_LIMIT})
    return shown(request, snapshot, sweep_figures.best_so_far(records, f"/results?{query}"))
