"""Detectors of collapse judged: JSON and tables, the picture, the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response

from api.drawing.figure import Figure, captioned, no_figure
from api.pages.rendering import page
from api.paper import detectors
from api.paper.figures.detectors import area_text, contest
from api.reading.snapshot import Row, Snapshot
from api.results.filters import filters_of_kind, matching
from api.results.parameters import RANGE_PARAMETERS, TrialFilters
from api.web import formats
from api.web.parameters import TABLES, Format, Now, Serving, known_parameters, whole_numbers
from api.web.problems import RESPONSES
from api.web.service import tag_curves
from api.web.workers import heavy
from sweep.paper.contest import COUNTER_CASES
from sweep.paper.detectors import BURN_IN, PATIENCE

router = APIRouter(tags=["paper"], dependencies=[Depends(known_parameters)], responses=RESPONSES)
figure_router = APIRouter(
    prefix="/figures",
    tags=["figures"],
    dependencies=[Depends(known_parameters)],
    responses=RESPONSES,
)
page_router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

Seeds = Annotated[
    Sequence[str],
    Query(
        description="that thresholds are tuned on, repeatable or with commas; else those of the "
        f"store from {detectors.FIRST_CALIBRATION_SEED} on"
    ),
]
COMMAND = "python -m sweep.table1 --profile {} --methods sn,sr-static,sr-iso,sr-floor --seeds {}"


@router.get(
    "/detectors",
    response_model=detectors.Detectors,
    responses=TABLES,
    openapi_extra=RANGE_PARAMETERS,
)
@heavy
def contest_of_detectors(
    request: Request,
    snapshot: Now,
    service: Serving,
    filters: TrialFilters,
    calibration_seeds: Seeds = (),
    format: Format = None,
) -> Response:
    """Detectors of collapse on the stored runs: lead times, hits, false alarms, ROC.

    The label is mode collapse by quality, as it is stored. Thresholds are tuned on the calibration
    seeds and judged on the others. As a table, a row per detector, then one per method.
    """
    media = formats.negotiate(request, format)
    tag_curves(request, service, snapshot, media)
    rows = list(matching(snapshot, filters))
    seeds = _calibration(calibration_seeds)
    items = detectors.detectors_of(snapshot, service.store, rows, seeds)
    return formats.json_or_file(
        request,
        media,
        "detectors",
        lambda: detectors.Detectors(
            calibration_seeds=detectors.calibration_of(rows, seeds),
            label=detectors.LABEL,
            patience=PATIENCE,
            burn_in=BURN_IN,
            items=items,
            snapshot=snapshot.id,
        ),
        lambda: formats.table_of(detectors.detector_rows(items), detectors.DETECTOR_SCHEMA),
    )


def _calibration(texts: Sequence[str]) -> list[int] | None:
    return whole_numbers("calibration seeds", texts) if texts else None


def _rows(snapshot: Snapshot, profile: str, setting: str | None, method: str | None) -> list[Row]:
    return list(matching(snapshot, filters_of_kind(profile, setting, method)))


@figure_router.get("/detectors")
@heavy
def picture(
    request: Request,
    snapshot: Now,
    service: Serving,
    profile: Annotated[str, Query()] = "digits",
    setting: Annotated[str | None, Query()] = None,
    method: Annotated[str | None, Query()] = None,
    calibration_seeds: Seeds = (),
) -> Figure:
    """ROC curves and lead times of a profile's runs."""
    tag_curves(request, service, snapshot)
    rows = _rows(snapshot, profile, setting, method)
    seeds = _calibration(calibration_seeds)
    items = detectors.detectors_of(snapshot, service.store, rows, seeds)
    if not any(item.curve for item in items):
        reason = next((item.reasons["area"] for item in items), "no run has begun")
        run = COMMAND.format(profile, "0-2,100,101")
        empty = no_figure(f"Nothing to judge yet: {reason}.", "/detectors", run)
        return captioned(request, snapshot, empty)
    return captioned(request, snapshot, contest(items, "/detectors"))


@page_router.get("/view/detectors")
@heavy
def view(
    request: Request,
    snapshot: Now,
    service: Serving,
    profile: Annotated[str | None, Query()] = None,
    calibration_seeds: Seeds = (),
) -> Response:
    """The contest of the detectors as a page."""
    tag_curves(request, service, snapshot, "text/html")
    begun = {row["profile"] for row in snapshot.records.values() if row["status"] != "planned"}
    profiles = sorted(begun)
    shown = profile or next((name for name in ("digits", *profiles) if name in begun), "digits")
    rows = _rows(snapshot, shown, None, None)
    seeds = _calibration(calibration_seeds)
    items = detectors.detectors_of(snapshot, service.store, rows, seeds)
    methods = {tally.method for item in items for tally in item.by_method}
    return page(
        request,
        "detectors.html",
        profile=shown,
        profiles=profiles,
        detectors=items,
        asked=",".join(map(str, seeds or ())),
        calibration=detectors.calibration_of(rows, seeds),
        first_calibration=detectors.FIRST_CALIBRATION_SEED,
        label=detectors.LABEL,
        patience=PATIENCE,
        burn_in=BURN_IN,
        counter_cases=COUNTER_CASES,
        missing_cases=[name for name in COUNTER_CASES if name not in methods],
        command=COMMAND.format(shown, "0-2,100,101"),
        area_text=area_text,
        snapshot=snapshot.id,
    )
