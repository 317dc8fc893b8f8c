"""Lists of trials and of sweeps: parse, ask, return a typed model."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from api import formats, models, progress, queries, sweep_models
from api.caching import conditional
from api.parameters import TABLES, Format, Names, Now, known_parameters
from api.problems import RESPONSES
from api.service import tag_sweeps
from sweep.results import columns
from sweep.schemas import SCHEMAS

router = APIRouter(tags=["results"], dependencies=[Depends(known_parameters)], responses=RESPONSES)

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
def sweeps(request: Request, snapshot: Now) -> sweep_models.SweepList:
    """Every sweep, the last one to be heard of first."""
    now = tag_sweeps(request, snapshot)
    items = [progress.sweep(snapshot, name, now) for name in progress.sweep_names(snapshot)]
    return sweep_models.SweepList(items=items, snapshot=snapshot.id)


@router.get("/sweeps/{name}")
def sweep(request: Request, snapshot: Now, name: str) -> sweep_models.SweepDetail:
    """A sweep: its state in words, counts, progress and trials."""
    return progress.sweep_detail(snapshot, name, tag_sweeps(request, snapshot))
