"""A trial's figures and a sweep's as JSON for the pages: parse, ask, draw."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request

from api import figures, models, progress, queries, reads, sweep_figures
from api.addresses import at
from api.caching import conditional
from api.paging import MAX_LIMIT
from api.parameters import Now, Serving, known_parameters
from api.problems import RESPONSES
from api.snapshot import Snapshot
from trainer.settings import UsageError

router = APIRouter(
    prefix="/figures", tags=["figures"], dependencies=[Depends(known_parameters)],
    responses=RESPONSES,
)  # fmt: skip

Layer = Annotated[int, Query(ge=0)]


@router.get("/trials/{trial_id}/curves")
def curves(request: Request, snapshot: Now, service: Serving, trial_id: str) -> models.Figure:
    """Scores, losses and gap over iterations."""
    record = queries.record(snapshot, trial_id)
    _tag_trial(request, service, trial_id, snapshot.id, "evaluations")
    rows = [queries.evaluation(row) for row in reads.evaluations(service.store, trial_id)]
    source = f"/trials/{trial_id}/evaluations"
    return shown(request, snapshot, figures.curves(queries.trial(record), rows, source))


@router.get("/trials/{trial_id}/spectra")
def spectra(
    request: Request, snapshot: Now, service: Serving, trial_id: str, layer: Layer = 4
) -> models.Figure:
    """The spectrum of a layer over iterations."""
    record = queries.record(snapshot, trial_id)
    _tag_trial(request, service, trial_id, snapshot.id, "spectra")
    source = f"/trials/{trial_id}/spectra?layer={layer}"
    try:
        rows = [queries.spectrum(row) for row in reads.spectra(service.store, trial_id, layer)]
        figure = figures.heat_map(queries.trial(record), rows, layer, source)
    except UsageError as error:
        figure = figures.no_figure(f"{error}.", f"/trials/{trial_id}/spectra")
    return shown(request, snapshot, figure)


@router.get("/sweeps/{name}/best")
def best_of_sweep(request: Request, snapshot: Now, name: str) -> models.Figure:
    """How the best score of each method came down over the time of a sweep."""
    records = progress.plan_records(snapshot, name)
    conditional(request, snapshot.id)
    columns = "trial_id,method,dataset,status,best_fid,best_fd_digits,updated_at"
    query = urlencode({"sweep": name, "sort": "updated_at", "fields": columns, "limit": MAX_LIMIT})
    return shown(request, snapshot, sweep_figures.best_so_far(records, f"/results?{query}"))


def shown(request: Request, snapshot: Snapshot, figure: models.Figure) -> models.Figure:
    """The figure with what its caption tells, and with addresses that hold behind a proxy."""
    told = {"snapshot": snapshot.id, "source": at(request, figure.source)}
    return figure.model_copy(update=told)


def _tag_trial(
    request: Request, service: Serving, trial_id: str, snapshot_id: str, *tables: str
) -> None:
    """The marks are in the snapshot, the lines in files of their own."""
    paths = [reads.table_path(table, trial_id) for table in tables]
    conditional(request, " ".join([snapshot_id, *(reads.stamp(service.store, p) for p in paths)]))
