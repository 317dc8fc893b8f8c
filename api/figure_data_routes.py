"""The paper's figures as data: parse, choose the trials, read their part."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from api import figure_data, figure_views
from api.figure_models import FigureData
from api.reading.snapshot import NotFound
from api.web import formats
from api.web.etags import conditional
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

router = APIRouter(tags=["paper"], dependencies=[Depends(known_parameters)], responses=RESPONSES)


@router.get("/fig/{number}", response_model=FigureData, responses=TABLES)
def figure(
    request: Request,
    snapshot: Now,
    service: Serving,
    number: int,
    setting: Names = [],  # noqa: B006 - FastAPI copies defaults
    group: Names = [],  # noqa: B006
    profile: Annotated[
        str | None, Query(description="else the paper's if it has trials, else digits")
    ] = None,
    seed: Annotated[int | None, Query(description="else the lowest of each trial")] = None,
    layer: Layer = None,
    iterations: Annotated[
        list[str], Query(description="repeatable or with commas; else as the figure has it")
    ] = [],  # noqa: B006
    points: Annotated[int, Query(ge=2, le=4096, description="of each spectrum")] = 128,
    format: Format = None,
) -> FigureData | Response:
    """Figs. 2 to 7, 9 to 11 and 14 over any settings; Figs. 8 and 12 are `/fig8` and `/fig12`.

    As a table, a row per spectrum or histogram.
    """
    if number not in figure_views.VIEWS:
        known = ", ".join(map(str, figure_views.VIEWS))
        raise NotFound(f"no data view of Fig. {number}; there are: {known}")
    media = formats.negotiate(request, format)
    view = figure_views.VIEWS[number]
    asked = figure_views.Asked(
        setting=setting, group=group, profile=profile, seed=seed, layer=layer, points=points,
        iterations=whole_numbers("iterations", iterations),
    )  # fmt: skip
    chosen = figure_views.choose(snapshot, view, asked)
    files = figure_data.version(service.store, view, chosen.rows)
    conditional(request, f"{snapshot.id} {files}", media)
    data = figure_data.figure(service.store, number, chosen, asked, snapshot.id)
    if media != formats.JSON:
        schema = figure_data.FLAT_OUTPUTS if view.images else figure_data.FLAT_SPECTRA
        table = formats.table_of(figure_data.flat(data.trials), schema)
        return formats.file_response(media, table, f"fig{number}")
    return data
