"""The JSON routes: parse, ask, return a typed model."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pyarrow as pa
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from api import comparison, formats, models, progress, queries, reads
from api.caching import conditional
from api.problems import RESPONSES
from api.service import Service, now_serving, service_of, tag_sweeps
from api.snapshot import Snapshot
from api.table2_models import Table2
from sweep.results import columns
from sweep.schemas import SCHEMAS
from trainer.settings import UsageError, lookup


def known_parameters(request: Request) -> None:
    """Refuses a query parameter that the route does not have: a typo would select everything."""
    operation = request.app.openapi()["paths"][request.scope["route"].path]["get"]
    names = [p["name"] for p in operation.get("parameters", []) if p["in"] == "query"]
    for name in request.query_params:
        if not names:
            raise UsageError(f"unknown query parameter {name!r}: this address takes none")
        lookup("query parameter", dict.fromkeys(names), name)


router = APIRouter(tags=["results"], dependencies=[Depends(known_parameters)], responses=RESPONSES)

Now = Annotated[Snapshot, Depends(now_serving)]
Serving = Annotated[Service, Depends(service_of)]
Format = Annotated[str | None, Query(description="json, csv or parquet; else by Accept")]
Layer = Annotated[
    int | None, Query(ge=0, description="of the paper's ten, on ImageNet of seventeen")
]
Images = Annotated[
    Literal["training", "test", "generated"] | None, Query(description="shown to D")
]
Quantity = Annotated[Literal["d", "d_loss"] | None, Query(description="D(x) or D's loss")]
Names = Annotated[list[str], Query(description="repeatable; shell patterns such as B_* allowed")]
TABLES: dict[int | str, dict[str, Any]] = {
    200: {"content": {formats.CSV: {}, formats.PARQUET: {}}},
    406: {"model": models.Problem, "description": "Not Acceptable"},
}

# Of a trial's columns those that a list of trials has.
LISTED = [
    name
    for name in SCHEMAS["trials"].names
    if name in models.Trial.model_fields or name.startswith(("best_", "final_"))
]


def filters(
    setting: Names = [],  # noqa: B006 - FastAPI copies defaults
    group: Names = [],  # noqa: B006
    method: Names = [],  # noqa: B006
    status: Names = [],  # noqa: B006
    profile: Names = [],  # noqa: B006
    sweep: Names = [],  # noqa: B006
    seed: Annotated[list[int], Query(description="repeatable")] = [],  # noqa: B006
) -> queries.Filters:
    return queries.Filters(
        setting=setting, group=group, method=method, status=status, profile=profile,
        sweep=sweep, seed=seed,
    )  # fmt: skip


@router.get("/results", response_model=models.TrialPage, responses=TABLES)
def results(
    request: Request,
    response: Response,
    snapshot: Now,
    filters: Annotated[queries.Filters, Depends(filters)],
    limit: Annotated[int, Query(ge=1, le=queries.MAX_LIMIT)] = 50,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before")] = None,
    format: Format = None,
) -> models.TrialPage | Response:
    """Trials, planned ones too, sorted by id. The Link header leads to the next page."""
    media = formats.negotiate(request, format)
    conditional(request, snapshot.id, media)
    page = queries.page(snapshot, filters, limit, cursor)
    if page.next_cursor:
        url = request.url.include_query_params(cursor=page.next_cursor)
        request.state.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    if media == formats.JSON:
        items = [queries.trial(record) for record in page.records]
        return models.TrialPage(items=items, next_cursor=page.next_cursor, snapshot=snapshot.id)
    return formats.file_response(media, columns("trials", page.records).select(LISTED), "results")


@router.get("/sweeps")
def sweeps(request: Request, snapshot: Now) -> models.SweepList:
    """Every sweep, the last one to be heard of first."""
    now = tag_sweeps(request, snapshot)
    items = [progress.sweep(snapshot, name, now) for name in progress.sweep_names(snapshot)]
    return models.SweepList(items=items, snapshot=snapshot.id)


@router.get("/sweeps/{name}")
def sweep(request: Request, snapshot: Now, name: str) -> models.SweepDetail:
    """A sweep: its state in words, counts, progress and trials."""
    return progress.sweep_detail(snapshot, name, tag_sweeps(request, snapshot))


@router.get("/trials/{trial_id}")
def trial(request: Request, snapshot: Now, trial_id: str) -> models.TrialDetail:
    """Everything that is stored of a trial but its curves, spectra and samples."""
    conditional(request, snapshot.id)
    return queries.trial_detail(snapshot, queries.record(snapshot, trial_id))


@router.get("/trials/{trial_id}/evaluations", response_model=models.Evaluations, responses=TABLES)
def evaluations(
    request: Request, snapshot: Now, service: Serving, trial_id: str, format: Format = None
) -> models.Evaluations | Response:
    """What was measured over the iterations, oldest first; empty before the first evaluation."""
    media = formats.negotiate(request, format)
    queries.record(snapshot, trial_id)
    version = reads.stamp(service.store, reads.table_path("evaluations", trial_id))
    conditional(request, version, media)
    rows = reads.evaluations(service.store, trial_id)
    if media == formats.JSON:
        items = [queries.evaluation(row) for row in rows]
        return models.Evaluations(trial_id=trial_id, items=items)
    return formats.file_response(media, columns("evaluations", rows), f"{trial_id}.evaluations")


@router.get("/trials/{trial_id}/spectra", response_model=models.Spectra, responses=TABLES)
def spectra(
    request: Request,
    snapshot: Now,
    service: Serving,
    trial_id: str,
    layer: Layer = None,
    stable_ranks: Annotated[bool, Query(description="also one value per iteration")] = False,
    format: Format = None,
) -> models.Spectra | Response:
    """All singular values by layer and iteration; without `layer`, of all layers.

    As CSV or Parquet always with the stable ranks.
    """
    media = formats.negotiate(request, format)
    queries.record(snapshot, trial_id)
    version = reads.stamp(service.store, reads.table_path("spectra", trial_id))
    conditional(request, version, media)
    rows = reads.spectra(service.store, trial_id, layer)
    if media == formats.JSON:
        items = [queries.spectrum(row, stable_ranks=stable_ranks) for row in rows]
        return models.Spectra(trial_id=trial_id, items=items)
    return formats.file_response(media, columns("spectra", rows), f"{trial_id}.spectra")


@router.get("/trials/{trial_id}/outputs", response_model=models.Outputs, responses=TABLES)
def outputs(
    request: Request,
    snapshot: Now,
    service: Serving,
    trial_id: str,
    images: Images = None,
    quantity: Quantity = None,
    iteration: Annotated[int | None, Query(ge=0)] = None,
    format: Format = None,
) -> models.Outputs | Response:
    """Histograms of D(x) and of D's loss over the iterations, as in Figs. 9 to 11."""
    media = formats.negotiate(request, format)
    queries.record(snapshot, trial_id)
    version = reads.stamp(service.store, reads.table_path("outputs", trial_id))
    conditional(request, version, media)
    rows = reads.outputs(service.store, trial_id, images, quantity, iteration)
    if media == formats.JSON:
        items = [queries.histogram(row) for row in rows]
        return models.Outputs(trial_id=trial_id, items=items)
    return formats.file_response(media, columns("outputs", rows), f"{trial_id}.outputs")


@router.get("/trials/{trial_id}/samples")
def samples(request: Request, snapshot: Now, service: Serving, trial_id: str) -> models.Samples:
    """The iterations that have a grid of generated images."""
    queries.record(snapshot, trial_id)
    iterations = reads.sample_iterations(service.store, trial_id)
    conditional(request, str(iterations))
    items = [
        models.Sample(
            iteration=at,
            url=str(request.app.url_path_for("sample", trial_id=trial_id, iteration=str(at))),
        )
        for at in iterations
    ]
    return models.Samples(trial_id=trial_id, items=items)


@router.get(
    "/trials/{trial_id}/samples/{iteration}",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}}},
)
def sample(
    request: Request, snapshot: Now, service: Serving, trial_id: str, iteration: int
) -> Response:
    """8x8 generated images, of the same latent vectors at every iteration."""
    queries.record(snapshot, trial_id)
    version = reads.stamp(service.store, reads.sample_path(trial_id, iteration))
    if version:
        conditional(request, version, "image/png")
    content = reads.sample(service.store, trial_id, iteration)
    if content is None:
        raise queries.NotFound(f"{trial_id} has no samples at iteration {iteration}")
    return Response(content, media_type="image/png")


@router.get("/table2", response_model=Table2, responses=TABLES)
def table2(
    request: Request, snapshot: Now, service: Serving, format: Format = None
) -> Table2 | Response:
    """Table II: published, and measured by profile and method. As a table, a row per method."""
    media = formats.negotiate(request, format)
    conditional(request, snapshot.id, media)
    rows = comparison.setting_scores(snapshot, service.curves)
    if media == formats.JSON:
        return Table2(items=list(rows), snapshot=snapshot.id)
    flat = [line for row in rows for line in comparison.flat(row)]
    return formats.file_response(media, pa.Table.from_pylist(flat), "table2")


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
