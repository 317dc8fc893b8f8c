"""Trials side by side as JSON, their rows in one table, and the figures of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from api.compare import comparison, figures
from api.compare import models as answers
from api.drawing import figure as figure_module
from api.drawing.figure import no_figure, shown
from api.reading import on_demand
from api.reading.snapshot import Row
from api.trials import output_figures, queries
from api.trials.spectrum_figures import heat_maps
from api.web import formats
from api.web.parameters import TABLES, Format, LayerIndex, Now, Serving, known_parameters
from api.web.problems import RESPONSES
from api.web.service import Service, tag
from sweep.store.tables import columns
from trainer.config.lookup import UsageError

router = APIRouter(
    tags=["comparisons"], dependencies=[Depends(known_parameters)], responses=RESPONSES
)

Trials = Annotated[list[str], Query(description="2 to 8 trial ids, repeatable, in this order")]
Columns = Annotated[int, Query(ge=1, le=4, description="pictures side by side")]
Table = Literal["evaluations", "spectra", "outputs"]


@router.get("/compare")
def compare(
    request: Request,
    snapshot: Now,
    service: Serving,
    t: Trials = [],  # noqa: B006 - FastAPI copies defaults
    all: Annotated[bool, Query(description="every key, not only those that differ")] = False,
) -> answers.Comparison:
    """2 to 8 trials: what differs in what they ran, their verdicts and scores."""
    records = comparison.chosen(snapshot, comparison.ids_of(t))
    tag(request, snapshot, service, records, "evaluations")
    return comparison.comparison(
        snapshot, records, partial(on_demand.evaluations_or_none, service.store), every=all
    )


@router.get("/compare/{table}", response_model=answers.ComparedRows, responses=TABLES)
def rows(
    request: Request,
    snapshot: Now,
    service: Serving,
    table: Table,
    t: Trials = [],  # noqa: B006 - FastAPI copies defaults
    layer: LayerIndex = 4,
    format: Format = None,
) -> answers.ComparedRows | Response:
    """What is stored of the trials' evaluations, of a layer's spectra or of D's outputs."""
    media = formats.negotiate(request, format)
    records = comparison.chosen(snapshot, comparison.ids_of(t))
    tag(request, snapshot, service, records, table, media=media)
    found = [row for record in records for row in _stored(service, record, table, layer)]
    if media != formats.JSON:
        return formats.file_response(media, columns(table, found), f"compared.{table}")
    ids = [record["trial_id"] for record in records]
    return answers.ComparedRows(trials=ids, items=[queries.flat(row, [*row]) for row in found])


def _stored(service: Service, record: Row, table: Table, layer: int) -> Sequence[Row]:
    store, trial_id = service.store, record["trial_id"]
    if table == "evaluations":
        return on_demand.evaluations(store, trial_id)
    if table == "spectra":
        return _of_layer(service, trial_id, layer)
    return on_demand.outputs(store, trial_id, None, None, None)


def _of_layer(service: Service, trial_id: str, layer: int) -> Sequence[Row]:
    """Nothing of a trial whose discriminator is not so deep: the others may be."""
    try:
        return on_demand.spectra(service.store, trial_id, layer)
    except UsageError:
        return []


@router.get("/figures/compare/curves", tags=["figures"])
def curves(
    request: Request,
    snapshot: Now,
    service: Serving,
    t: Trials = [],  # noqa: B006 - FastAPI copies defaults
    x: Annotated[
        figures.Scale | None,
        Query(description="iteration, or share of those planned; by default what shows more"),
    ] = None,
    log: Annotated[bool, Query(description="logarithmic where all values are positive")] = False,
) -> figure_module.Figure:
    """Scores, spectrum, gap and losses of the trials over one another."""
    records = comparison.chosen(snapshot, comparison.ids_of(t))
    tag(request, snapshot, service, records, "evaluations")
    trials = [queries.trial(record) for record in records]
    drawn = [
        (label, trial, on_demand.evaluations_or_none(service.store, trial.trial_id))
        for label, trial in zip(comparison.labels(trials), trials, strict=True)
    ]
    scale = x or figures.scale_of(trials)
    figure = figures.curves(drawn, _source("evaluations", records), scale=scale, logarithmic=log)
    return shown(request, snapshot, figure)


@router.get("/figures/compare/spectra", tags=["figures"])
def spectra(
    request: Request,
    snapshot: Now,
    service: Serving,
    t: Trials = [],  # noqa: B006 - FastAPI copies defaults
    layer: LayerIndex = 4,
    columns: Columns = 4,
) -> figure_module.Figure:
    """The spectrum of a layer of each trial over iterations, on one colour scale."""
    records = comparison.chosen(snapshot, comparison.ids_of(t))
    tag(request, snapshot, service, records, "spectra")
    source = _source("spectra", records) + f"&layer={layer}"
    drawn = [
        (label, [queries.spectrum(row) for row in _stored(service, record, "spectra", layer)])
        for label, record in zip(_labels(records), records, strict=True)
    ]
    if not any(rows for _, rows in drawn):
        return shown(request, snapshot, no_figure(f"No trial has a layer_{layer}.", source))
    return shown(request, snapshot, heat_maps(drawn, layer, columns, source))


@router.get("/figures/compare/outputs", tags=["figures"])
def outputs(
    request: Request,
    snapshot: Now,
    service: Serving,
    t: Trials = [],  # noqa: B006 - FastAPI copies defaults
    quantity: Annotated[output_figures.Quantity, Query(description="D(x) or D's loss")] = "d",
    at: Annotated[int | None, Query(ge=0, description="the last up to this iteration")] = None,
    columns: Columns = 4,
) -> figure_module.Figure:
    """D's outputs of each trial at an iteration, on one axis."""
    records = comparison.chosen(snapshot, comparison.ids_of(t))
    tag(request, snapshot, service, records, "outputs")
    drawn = [
        (label, [queries.histogram(row) for row in _stored(service, record, "outputs", 0)])
        for label, record in zip(_labels(records), records, strict=True)
    ]
    source = _source("outputs", records)
    figure = output_figures.side_by_side(drawn, quantity, at, columns, source)
    return shown(request, snapshot, figure)


def _labels(records: Sequence[Row]) -> list[str]:
    return comparison.labels([queries.trial(record) for record in records])


def _source(table: Table, records: Sequence[Row]) -> str:
    return f"/compare/{table}?" + "&".join(f"t={record['trial_id']}" for record in records)
