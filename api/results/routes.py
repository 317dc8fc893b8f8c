"""Lists of trials and of sweeps: parse, ask, return a typed model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

import pyarrow as pa
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from api.notes.queries import TRIAL, tags_of
from api.reading.snapshot import Row, Snapshot
from api.results import groups, paging
from api.results.filters import columns_like, matching
from api.results.parameters import RANGE_PARAMETERS, TrialFilters
from api.trials import models, queries
from api.web import formats, parameters, problems
from api.web.etags import not_modified_or_continue
from api.web.parameters import TABLES, Format, Now, known_parameters, separated
from api.web.problems import RESPONSES
from sweep.store.notes import TAGS
from sweep.store.schemas import SCHEMAS
from sweep.store.tables import columns

router = APIRouter(tags=["results"], dependencies=[Depends(known_parameters)], responses=RESPONSES)

# Trials of a page of JSON, and of the part of a file that is in memory at once.
PAGE, ROWS_AT_ONCE = 50, 1000
LISTS = {
    **TABLES,
    400: {"model": problems.Problem, "description": "A cursor that is none of this list's"},
}
# Of a trial's columns those that a list of trials has.
LISTED = [
    name
    for name in SCHEMAS["trials"].names
    if name in models.Trial.model_fields or name.startswith(("best_", "final_"))
]


@router.get(
    "/results",
    response_model=models.TrialPage | models.TrialRows,
    responses=LISTS,
    openapi_extra=RANGE_PARAMETERS,
)
def results(
    request: Request,
    snapshot: Now,
    filters: TrialFilters,
    sort: Annotated[
        str, Query(description="a stored column, or a score for the best one; `-` for descending")
    ] = paging.BY_ID,
    fields: Annotated[
        Sequence[str],
        Query(description="stored columns or `*` patterns, repeatable or by commas; flat"),
    ] = (),
    limit: Annotated[
        int | None,
        Query(
            ge=1,
            le=parameters.MAX_LIMIT,
            description=f"trials of a page, of JSON {PAGE} if not given; else all",
        ),
    ] = None,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before")] = None,
    format: Format = None,
) -> Response:
    """Trials, planned ones too. The Link header leads to the next page.

    What has no value to sort by comes last. A page goes on where the one before ended, whatever
    was written since: no trial that keeps its place is shown twice or left out. CSV, Parquet and
    Arrow have all trials as they were when the answer began, unless a `limit` is given.
    """
    media = formats.negotiate(request, format)
    not_modified_or_continue(request, snapshot.id, media)
    names = columns_like(separated(fields))
    if limit is None and media == formats.JSON:
        limit = PAGE
    page = paging.page(snapshot, filters, paging.read_sort(sort), limit, cursor)
    if page.next_cursor:
        url = request.url.include_query_params(cursor=page.next_cursor)
        request.state.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    fields_shown = list(dict.fromkeys([paging.BY_ID, *names]))
    if media != formats.JSON:
        file_columns = fields_shown if names else LISTED
        return formats.file_response(
            request,
            media,
            "results",
            lambda: _tables(snapshot, page.records, file_columns, with_tags=not names),
        )
    page_facts = {"next_cursor": page.next_cursor, "snapshot": snapshot.id}
    if names:
        rows = [queries.stored_values(record, fields_shown) for record in page.records]
        return formats.json_response(models.TrialRows(items=rows, **page_facts))
    items = [queries.tagged_trial(snapshot, record) for record in page.records]
    return formats.json_response(models.TrialPage(items=items, **page_facts))


def _tables(
    snapshot: Snapshot, records: Sequence[Row], names: Sequence[str], *, with_tags: bool
) -> Iterator[pa.Table]:
    """The trials in tables of at most ROWS_AT_ONCE, one at least."""
    for first in range(0, max(len(records), 1), ROWS_AT_ONCE):
        part = records[first : first + ROWS_AT_ONCE]
        table = columns("trials", [{n: row[n] for n in names} for row in part]).select(names)
        if with_tags:
            tags = [tags_of(snapshot, TRIAL, row["trial_id"]) for row in part]
            table = table.append_column(TAGS, pa.array(tags, TAGS.type))
        yield table


@router.get(
    "/groups", response_model=groups.Groups, responses=TABLES, openapi_extra=RANGE_PARAMETERS
)
def grouped(
    request: Request,
    snapshot: Now,
    filters: TrialFilters,
    by: Annotated[
        Sequence[str],
        Query(description="repeatable or with commas: profile, setting, method, ..."),
    ] = (),
    agg: Annotated[Sequence[str], Query(description="n, mean, sd, ci95, min, median, max")] = (),
    score: Annotated[
        str | None, Query(description="any number of a trial; else the best distance")
    ] = None,
    format: Format = None,
) -> Response:
    """A score by method and i, or by anything else: mean, sd, n and interval over the trials.

    The interval is Student's, as if the trials were independent: group by setting to have it
    over seeds.
    """
    media = formats.negotiate(request, format)
    not_modified_or_continue(request, snapshot.id, media)
    rows = list(matching(snapshot, filters))
    columns_by, aggregates = groups.read_by(separated(by)), groups.read_aggregates(separated(agg))
    score_column = groups.read_score(score, rows)
    items = groups.groups(rows, score_column, columns_by, aggregates)
    facts = {"score": score_column, "by": columns_by, "snapshot": snapshot.id}
    return formats.json_or_file(
        request,
        media,
        "groups",
        lambda: groups.Groups(items=items, **facts),
        lambda: formats.table_of(
            map(groups.group_row, items), groups.schema(columns_by, aggregates)
        ),
    )
