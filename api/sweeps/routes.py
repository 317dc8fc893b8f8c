"""Sweeps as JSON: how they stand, their settings by methods, the figure of one."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from api.drawing.figure import Figure, captioned
from api.reading import plans
from api.sweeps import figures, matrix, models, progress
from api.web import formats
from api.web.etags import not_modified_or_continue
from api.web.flattening import flat_table
from api.web.parameters import MAX_LIMIT, TABLES, Format, Now, Serving, known_parameters
from api.web.problems import RESPONSES
from api.web.service import tag_sweeps

router = APIRouter(tags=["results"], dependencies=[Depends(known_parameters)], responses=RESPONSES)
figure_router = APIRouter(
    prefix="/figures",
    tags=["figures"],
    dependencies=[Depends(known_parameters)],
    responses=RESPONSES,
)


@router.get("/sweeps", response_model=models.SweepList, responses=TABLES)
def sweeps(request: Request, snapshot: Now, service: Serving, format: Format = None) -> Response:
    """Every sweep, the last one to be heard of first."""
    media = formats.negotiate(request, format)
    now = tag_sweeps(request, snapshot, media=media)
    names = plans.sweep_names(snapshot)
    items = [progress.sweep(snapshot, name, now, service.rates) for name in names]
    return formats.json_or_file(
        request,
        media,
        "sweeps",
        lambda: models.SweepList(items=items, snapshot=snapshot.id),
        lambda: flat_table(models.Sweep, items),
    )


@router.get("/sweeps/{name}", response_model=models.SweepDetail, responses=TABLES)
def sweep(
    request: Request, snapshot: Now, service: Serving, name: str, format: Format = None
) -> Response:
    """A sweep: its state in words, counts, progress and trials."""
    media = formats.negotiate(request, format)
    now = tag_sweeps(request, snapshot, media=media)
    detail = progress.sweep_detail(snapshot, name, now, service.rates)
    return formats.json_or_file(
        request, media, name, lambda: detail, lambda: flat_table(models.SweepDetail, [detail])
    )


@router.get("/sweeps/{name}/matrix", response_model=models.Matrix, responses=TABLES)
def sweep_matrix(request: Request, snapshot: Now, name: str, format: Format = None) -> Response:
    """Settings by methods, every seed in its cell. As a table, a row per trial."""
    media = formats.negotiate(request, format)
    records = plans.plan_records(snapshot, name)
    not_modified_or_continue(request, snapshot.id, media)
    cells = matrix.cells(records)
    return formats.json_or_file(
        request,
        media,
        f"{name}.matrix",
        lambda: models.Matrix(
            sweep=name,
            settings=list(dict.fromkeys(cell.setting for cell in cells)),
            columns=matrix.columns_of(cells),
            cells=cells,
            snapshot=snapshot.id,
        ),
        lambda: formats.table_of(matrix.trial_rows(cells), matrix.TRIAL_SCHEMA),
    )


@figure_router.get("/sweeps/{name}/best")
def best_of_sweep(request: Request, snapshot: Now, name: str) -> Figure:
    """How the best score of each method came down over the time of a sweep."""
    records = plans.plan_records(snapshot, name)
    not_modified_or_continue(request, snapshot.id)
    columns = "trial_id,method,dataset,status,best_fid,best_fd_digits,updated_at"
    query = urlencode({"sweep": name, "sort": "updated_at", "fields": columns, "limit": MAX_LIMIT})
    return captioned(request, snapshot, figures.best_so_far(records, f"/results?{query}"))
