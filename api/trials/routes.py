"""Routes of a trial: its record, curves, spectra, outputs and samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from urllib.parse import quote

import pyarrow as pa
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from api.drawing import thinning
from api.reading import on_demand
from api.reading.snapshot import NotFound, Row, trial_record
from api.trials import models, queries, series
from api.web import formats
from api.web.addresses import public_address
from api.web.etags import not_modified_or_continue
from api.web.flattening import flat_columns, flat_row, flat_table
from api.web.parameters import (
    TABLES,
    Format,
    Images,
    Layer,
    Now,
    Quantity,
    Serving,
    known_parameters,
    separated,
    whole_numbers,
)
from api.web.problems import RESPONSES
from sweep.store.tables import columns

# Of a trial as a file the columns that the store does not have.
ADDED = (
    "sweeps", "verdict_sentence", "verdict_healthy", "ancestors", "children", "gpu_hours",
    "expense_money", "expense_currency", "expense_kwh",
)  # fmt: skip

router = APIRouter(tags=["trials"], dependencies=[Depends(known_parameters)], responses=RESPONSES)


@router.get("/trials/{trial_id}", response_model=models.TrialDetail, responses=TABLES)
def trial(
    request: Request, snapshot: Now, service: Serving, trial_id: str, format: Format = None
) -> Response:
    """Everything that is stored of a trial but its curves, spectra and samples.

    As a file one row, under the names that the store has.
    """
    media = formats.negotiate(request, format)
    not_modified_or_continue(request, f"{snapshot.id} {service.rates}", media)
    record = trial_record(snapshot, trial_id)
    detail = queries.trial_detail(snapshot, record, service.rates)
    return formats.json_or_file(
        request, media, trial_id, lambda: detail, lambda: _detail_table(record, detail)
    )


def _detail_table(record: Row, detail: models.TrialDetail) -> pa.Table:
    """One row: the trial as it is stored, and what the service adds to that."""
    stored, row = columns("trials", [record]), flat_row(detail)
    for column in flat_columns(models.TrialDetail):
        if column.name in ADDED:
            stored = stored.append_column(column, pa.array([row.get(column.name)], column.type))
    return stored


@router.get(
    "/trials/{trial_id}/evaluations",
    response_model=series.Evaluations | series.EvaluationRows | series.EvaluationBuckets,
    responses=TABLES,
)
def evaluations(
    request: Request,
    snapshot: Now,
    service: Serving,
    trial_id: str,
    keys: Annotated[
        Sequence[str], Query(description="columns, repeatable or with commas; all for none")
    ] = (),
    max_points: Annotated[
        int | None, Query(ge=1, le=10_000, description="buckets of minimum, maximum and last")
    ] = None,
    format: Format = None,
) -> Response:
    """What was measured over the iterations, oldest first; empty before the first evaluation.

    With `keys` an item has these columns alone; with `max_points` there are buckets instead.
    """
    media = formats.negotiate(request, format)
    trial_record(snapshot, trial_id)
    names = separated(keys)
    selected = thinning.curve_keys(names, scalar=max_points is not None)
    version = on_demand.stamp(service.store, on_demand.table_path("evaluations", trial_id))
    not_modified_or_continue(request, version, media)
    rows = on_demand.evaluations(service.store, trial_id, selected if names else None)
    file_name = f"{trial_id}.evaluations"
    if max_points is not None:
        parts = thinning.buckets(rows, selected, max_points)
        return formats.json_or_file(
            request,
            media,
            file_name,
            lambda: series.EvaluationBuckets(trial_id=trial_id, buckets=parts),
            lambda: pa.Table.from_pylist([thinning.flat_bucket(part) for part in parts]),
        )
    if names:
        return formats.json_or_file(
            request,
            media,
            file_name,
            lambda: series.EvaluationRows(
                trial_id=trial_id,
                items=[queries.evaluation_values(row, selected) for row in rows],
            ),
            lambda: columns("evaluations", rows).select(["iteration", *selected]),
        )
    return formats.json_or_file(
        request,
        media,
        file_name,
        lambda: series.Evaluations(trial_id=trial_id, items=list(map(queries.evaluation, rows))),
        lambda: columns("evaluations", rows),
    )


@router.get("/trials/{trial_id}/spectra", response_model=series.Spectra, responses=TABLES)
def spectra(
    request: Request,
    snapshot: Now,
    service: Serving,
    trial_id: str,
    layer: Layer = None,
    iterations: Annotated[
        Sequence[str], Query(description="repeatable or with commas; all for none")
    ] = (),
    points: Annotated[
        int | None, Query(ge=2, le=4096, description="of each spectrum, evenly spread")
    ] = None,
    stable_ranks: Annotated[bool, Query(description="also one value per iteration")] = False,
    format: Format = None,
) -> Response:
    """All singular values by layer and iteration; without `layer`, of all layers.

    As a file always whole, and with the stable ranks.
    """
    media = formats.negotiate(request, format)
    trial_record(snapshot, trial_id)
    selected = whole_numbers("iterations", iterations)
    version = on_demand.stamp(service.store, on_demand.table_path("spectra", trial_id))
    not_modified_or_continue(request, version, media)
    rows = on_demand.spectra(service.store, trial_id, layer)
    rows = thinning.at_iterations(rows, selected, trial_id)
    return formats.json_or_file(
        request,
        media,
        f"{trial_id}.spectra",
        lambda: series.Spectra(
            trial_id=trial_id,
            items=[queries.spectrum(r, stable_ranks=stable_ranks, points=points) for r in rows],
        ),
        lambda: columns("spectra", rows),
    )


@router.get("/trials/{trial_id}/outputs", response_model=series.Outputs, responses=TABLES)
def outputs(
    request: Request,
    snapshot: Now,
    service: Serving,
    trial_id: str,
    images: Images = None,
    quantity: Quantity = None,
    iteration: Annotated[int | None, Query(ge=0)] = None,
    format: Format = None,
) -> Response:
    """Histograms of D(x) and of D's loss over the iterations, as in Figs. 9 to 11."""
    media = formats.negotiate(request, format)
    trial_record(snapshot, trial_id)
    version = on_demand.stamp(service.store, on_demand.table_path("outputs", trial_id))
    not_modified_or_continue(request, version, media)
    rows = on_demand.outputs(service.store, trial_id, images, quantity, iteration)
    return formats.json_or_file(
        request,
        media,
        f"{trial_id}.outputs",
        lambda: series.Outputs(trial_id=trial_id, items=list(map(queries.histogram, rows))),
        lambda: columns("outputs", rows),
    )


@router.get("/trials/{trial_id}/samples", response_model=series.Samples, responses=TABLES)
def samples(
    request: Request, snapshot: Now, service: Serving, trial_id: str, format: Format = None
) -> Response:
    """The iterations that have a grid of generated images."""
    media = formats.negotiate(request, format)
    trial_record(snapshot, trial_id)
    iterations = on_demand.sample_iterations(service.store, trial_id)
    not_modified_or_continue(request, str(iterations), media)
    items = [
        series.Sample(
            iteration=k, url=public_address(request, f"/trials/{quote(trial_id)}/samples/{k}")
        )
        for k in iterations
    ]
    return formats.json_or_file(
        request,
        media,
        f"{trial_id}.samples",
        lambda: series.Samples(trial_id=trial_id, items=items),
        lambda: flat_table(series.Sample, items),
    )


@router.get(
    "/trials/{trial_id}/samples/{iteration}",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}}},
)
def sample(
    request: Request, snapshot: Now, service: Serving, trial_id: str, iteration: int
) -> Response:
    """8x8 generated images, of the same latent vectors at every iteration."""
    trial_record(snapshot, trial_id)
    version = on_demand.stamp(service.store, on_demand.sample_path(trial_id, iteration))
    if version:
        not_modified_or_continue(request, version, "image/png")
    content = on_demand.sample(service.store, trial_id, iteration)
    if content is None:
        raise NotFound(f"{trial_id} has no samples at iteration {iteration}")
    return Response(content, media_type="image/png")
