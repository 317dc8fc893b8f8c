"""Measured beside published: the paper's tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

import pyarrow as pa
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import PlainTextResponse, Response

from api.paper import agreement, claims, rivals, survival, trends
from api.paper.figures import catalogue
from api.paper.figures.data import (
    OUTPUTS_SCHEMA,
    SPECTRA_SCHEMA,
    FigureData,
    figure_data,
    figure_files,
    part_rows,
)
from api.paper.table2 import Table2, method_rows, setting_scores, table_rows
from api.reading.listings import versions
from api.reading.snapshot import NotFound
from api.results.filters import matching
from api.results.parameters import RANGE_PARAMETERS, TrialFilters
from api.web import formats
from api.web.etags import not_modified_or_continue
from api.web.parameters import (
    TABLES,
    Format,
    Layer,
    Names,
    Now,
    Serving,
    known_parameters,
    whole_numbers,
)
from api.web.problems import RESPONSES
from api.web.service import tag_curves
from api.web.workers import heavy
from sweep.paper import typeset
from sweep.paper.table2 import BASELINES, SettingRow

router = APIRouter(tags=["paper"], dependencies=[Depends(known_parameters)], responses=RESPONSES)

PUBLICATIONS: Mapping[str, Callable[[typeset.Sheet], str]] = {
    "latex": typeset.latex,
    "markdown": typeset.markdown,
}


@router.get("/table2", response_model=Table2, responses=TABLES)
@heavy
def table2(
    request: Request,
    snapshot: Now,
    service: Serving,
    format: Annotated[
        str | None,
        Query(
            description="json, csv, parquet, arrow, or to paste latex or markdown; else by Accept"
        ),
    ] = None,
) -> Response:
    """Table II: published, and measured by profile and method. As a table, a row per method."""
    if format is not None and format in PUBLICATIONS:
        tag_curves(request, service, snapshot, format)
        return _publication(table_rows(snapshot, service.store), format)
    media = formats.negotiate(request, format)
    tag_curves(request, service, snapshot, media)
    rows = setting_scores(snapshot, service.store)
    return formats.json_or_file(
        request,
        media,
        "table2",
        lambda: Table2(items=list(rows), snapshot=snapshot.id),
        lambda: pa.Table.from_pylist([line for row in rows for line in method_rows(row)]),
    )


def _publication(rows: Sequence[SettingRow], format: str) -> Response:
    """A table per profile that was measured. Raises NotFound if none was."""
    profiles = sorted({profile for row in rows for profile in row.measured})
    sheets = [typeset.comparison_sheet(rows, p, name="measured") for p in profiles]
    text = "\n".join(PUBLICATIONS[format](sheet) for sheet in sheets if sheet is not None)
    if not text:
        raise NotFound("no trial of Table II has begun: there is nothing to set beside it")
    return PlainTextResponse(text)


@router.get("/claims", response_model=claims.Claims, responses=TABLES)
@heavy
def paper_claims(
    request: Request, snapshot: Now, service: Serving, format: Format = None
) -> Response:
    """What the paper claims in numbers: what its own Table II gives, and what was measured here.

    `holds` of another data set neither supports nor refutes the paper: see `comparable`.
    """
    media = formats.negotiate(request, format)
    tag_curves(request, service, snapshot, media)
    items = claims.claims_of_rows(table_rows(snapshot, service.store), snapshot)
    return formats.json_or_file(
        request,
        media,
        "claims",
        lambda: claims.Claims(items=items, snapshot=snapshot.id),
        lambda: formats.table_of(claims.claim_rows(items), claims.CLAIM_SCHEMA),
    )


@router.get("/rivals", response_model=rivals.Rivals, responses=TABLES)
@heavy
def rival_methods(
    request: Request, snapshot: Now, service: Serving, format: Format = None
) -> Response:
    """Every method minus SN, minus `sn-renorm` and minus `sn-ttur`, seed by seed, and its cost.

    As a table, a row per setting, method and baseline.
    """
    media = formats.negotiate(request, format)
    tag_curves(request, service, snapshot, media)
    rows = table_rows(snapshot, service.store)
    items = rivals.rivals_of(rows)
    return formats.json_or_file(
        request,
        media,
        "rivals",
        lambda: rivals.Rivals(
            baselines=list(BASELINES),
            answers=rivals.answers_of(rows),
            items=items,
            snapshot=snapshot.id,
        ),
        lambda: formats.table_of(rivals.rival_rows(items), rivals.RIVAL_SCHEMA),
    )


@router.get("/agreement", response_model=agreement.Agreements, responses=TABLES)
@heavy
def figure_sentences(
    request: Request, snapshot: Now, service: Serving, format: Format = None
) -> Response:
    """Tells by profile whether each sentence on a figure agrees, disagrees, or has not enough.

    Over all finished runs of a profile that a sentence is about, whatever a figure shows of them.
    """
    media = formats.negotiate(request, format)
    tag_curves(request, service, snapshot, media)
    profiles = sorted({row["profile"] for row in snapshot.records.values()})
    items = [
        item
        for profile in profiles
        for item in agreement.agreements_of(snapshot, service.store, profile).values()
    ]
    return formats.json_or_file(
        request,
        media,
        "agreement",
        lambda: agreement.Agreements(items=items, snapshot=snapshot.id),
        lambda: formats.table_of(
            (item.model_dump() for item in items), agreement.AGREEMENT_SCHEMA
        ),
    )


@router.get(
    "/survival",
    response_model=survival.Survivals,
    responses=TABLES,
    openapi_extra=RANGE_PARAMETERS,
)
def kaplan_meier(
    request: Request, snapshot: Now, filters: TrialFilters, format: Format = None
) -> Response:
    """The share of runs without mode collapse over iterations, by profile, method and i.

    A run that ended or still goes on without one is censored where it was last seen.
    """
    media = formats.negotiate(request, format)
    not_modified_or_continue(request, snapshot.id, media)
    items = survival.survival(matching(snapshot, filters))
    return formats.json_or_file(
        request,
        media,
        "survival",
        lambda: survival.Survivals(items=items, snapshot=snapshot.id),
        lambda: formats.table_of(survival.step_rows(items), survival.STEP_SCHEMA),
    )


@router.get("/fig8", response_model=trends.Fig8, responses=TABLES, openapi_extra=RANGE_PARAMETERS)
def fig8(
    request: Request, snapshot: Now, filters: TrialFilters, format: Format = None
) -> Response:
    """The best distance over i, every seed; the paper's words on it, and whether they hold."""
    media = formats.negotiate(request, format)
    not_modified_or_continue(request, snapshot.id, media)
    items = trends.all_over_i(matching(snapshot, filters))
    return formats.json_or_file(
        request,
        media,
        "fig8",
        lambda: trends.Fig8(items=items, snapshot=snapshot.id),
        lambda: formats.table_of(trends.over_i_rows(items), trends.SEED_SCHEMA),
    )


@router.get(
    "/fig12", response_model=trends.Fig12, responses=TABLES, openapi_extra=RANGE_PARAMETERS
)
def fig12(
    request: Request, snapshot: Now, filters: TrialFilters, format: Format = None
) -> Response:
    """Static against dynamic compensation; the paper's words on it, and whether they hold."""
    media = formats.negotiate(request, format)
    not_modified_or_continue(request, snapshot.id, media)
    items = trends.all_static_dynamic(matching(snapshot, filters))
    return formats.json_or_file(
        request,
        media,
        "fig12",
        lambda: trends.Fig12(items=items, snapshot=snapshot.id),
        lambda: formats.table_of(trends.static_dynamic_rows(items), trends.SEED_SCHEMA),
    )


@router.get("/fig/{number}", response_model=FigureData, responses=TABLES)
@heavy
def figure(
    request: Request,
    snapshot: Now,
    service: Serving,
    number: int,
    setting: Names = (),
    group: Names = (),
    profile: Annotated[
        str | None, Query(description="else the paper's if it has trials, else digits")
    ] = None,
    seed: Annotated[int | None, Query(description="else the lowest of each trial")] = None,
    layer: Layer = None,
    iterations: Annotated[
        Sequence[str], Query(description="repeatable or with commas; else as the figure has it")
    ] = (),
    points: Annotated[int, Query(ge=2, le=4096, description="of each spectrum")] = 128,
    format: Format = None,
) -> Response:
    """Figs. 2 to 7, 9 to 11 and 14 over any settings; Figs. 8 and 12 are `/fig8` and `/fig12`.

    As a table, a row per spectrum or histogram.
    """
    if number not in catalogue.VIEWS:
        numbers = ", ".join(map(str, catalogue.VIEWS))
        raise NotFound(f"no data view of Fig. {number}; there are: {numbers}")
    media = formats.negotiate(request, format)
    view = catalogue.VIEWS[number]
    query = catalogue.FigureQuery(
        setting=setting,
        group=group,
        profile=profile,
        seed=seed,
        layer=layer,
        points=points,
        iterations=whole_numbers("iterations", iterations),
    )
    selection = catalogue.select_trials(snapshot, view, query)
    files = versions(service.store, snapshot, figure_files(view, selection.rows))
    not_modified_or_continue(request, " ".join([snapshot.id, *files.values()]), media)
    data = figure_data(service.store, number, selection, query, snapshot.id, files)
    schema = OUTPUTS_SCHEMA if view.images else SPECTRA_SCHEMA
    return formats.json_or_file(
        request,
        media,
        f"fig{number}",
        lambda: data,
        lambda: formats.table_of(part_rows(data.trials), schema),
    )
