"""Trials side by side as JSON, their rows in one table, and the figures of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Literal

import pyarrow as pa
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from api.compare import comparison, figures
from api.compare.models import ComparedRows, ComparedTrial, Comparison
from api.drawing.figure import Figure, captioned, no_figure
from api.reading import on_demand
from api.reading.snapshot import Row
from api.trials import output_figures, queries
from api.trials.figure_routes import drawn_or_why_not
from api.trials.series import Histogram
from api.trials.spectrum_figures import heat_maps
from api.web import formats
from api.web.flattening import flat_table, json_text
from api.web.parameters import TABLES, Format, LayerIndex, Now, Serving, known_parameters
from api.web.problems import RESPONSES
from api.web.service import Service, tag_files
from api.web.workers import heavy
from sweep.store.tables import columns
from trainer.config.lookup import UsageError

router = APIRouter(
    tags=["comparisons"], dependencies=[Depends(known_parameters)], responses=RESPONSES
)

Trials = Annotated[Sequence[str], Query(description="2 to 8 trial ids, repeatable, in this order")]
Columns = Annotated[int, Query(ge=1, le=4, description="pictures side by side")]
Table = Literal["evaluations", "spectra", "outputs"]


@router.get("/compare", response_model=Comparison, responses=TABLES)
@heavy
def compare(
    request: Request,
    snapshot: Now,
    service: Serving,
    t: Trials = (),
    all: Annotated[bool, Query(description="every key, not only those that differ")] = False,
    format: Format = None,
) -> Response:
    """2 to 8 trials: what differs in what they ran, their verdicts and scores.

    As a file a row per trial, with its values of these keys as a JSON object in `keys`.
    """
    media = formats.negotiate(request, format)
    records = comparison.selected_records(snapshot, comparison.ids_of(t))
    paths = on_demand.table_paths(records, "evaluations")
    tag_files(request, service, snapshot.id, paths, media)
    compared = comparison.compare_records(
        snapshot, records, partial(on_demand.evaluations_or_none, service.store), every=all
    )
    return formats.json_or_file(
        request, media, "compared", lambda: compared, lambda: _trial_table(compared)
    )


def _trial_table(compared: Comparison) -> pa.Table:
    """A row per trial, with what it has stored of the keys by `part.key`."""
    values = [
        {f"{d.part}.{d.key}": d.values[k] for d in compared.keys if d.recorded[k]}
        for k in range(len(compared.trials))
    ]
    texts = pa.array(list(map(json_text, values)), pa.string())
    return flat_table(ComparedTrial, compared.trials).append_column("keys", texts)


@router.get("/compare/{table}", response_model=ComparedRows, responses=TABLES)
@heavy
def rows(
    request: Request,
    snapshot: Now,
    service: Serving,
    table: Table,
    t: Trials = (),
    layer: LayerIndex = 4,
    format: Format = None,
) -> Response:
    """What is stored of the trials' evaluations, of a layer's spectra or of D's outputs."""
    media = formats.negotiate(request, format)
    records = comparison.selected_records(snapshot, comparison.ids_of(t))
    tag_files(request, service, snapshot.id, on_demand.table_paths(records, table), media)
    stored_rows = [row for record in records for row in _stored(service, record, table, layer)]
    return formats.json_or_file(
        request,
        media,
        f"compared.{table}",
        lambda: ComparedRows(
            trials=[record["trial_id"] for record in records],
            items=[queries.stored_values(row, [*row]) for row in stored_rows],
        ),
        lambda: columns(table, stored_rows),
    )


def _stored(service: Service, record: Row, table: Table, layer: int) -> Sequence[Row]:
    store, trial_id = service.store, record["trial_id"]
    if table == "evaluations":
        return on_demand.evaluations(store, trial_id)
    if table == "spectra":
        return _layer_spectra(service, trial_id, layer)
    return on_demand.outputs(store, trial_id, None, None, None)


def _layer_spectra(
    service: Service, trial_id: str, layer: int, column_names: Sequence[str] | None = None
) -> Sequence[Row]:
    """Spectra of a layer; none for a trial whose discriminator is not so deep."""
    try:
        return on_demand.spectra(service.store, trial_id, layer, column_names)
    except UsageError:
        return []


@router.get("/figures/compare/curves", tags=["figures"])
@heavy
def curves(
    request: Request,
    snapshot: Now,
    service: Serving,
    t: Trials = (),
    x: Annotated[
        figures.Scale | None,
        Query(description="iteration, or share of those planned; by default what shows more"),
    ] = None,
    log: Annotated[bool, Query(description="logarithmic where all values are positive")] = False,
) -> Figure:
    """Scores, spectrum, gap and losses of the trials over one another."""
    records = comparison.selected_records(snapshot, comparison.ids_of(t))
    tag_files(request, service, snapshot.id, on_demand.table_paths(records, "evaluations"))
    trials = [queries.trial(record) for record in records]
    labelled_curves = [
        (label, trial, on_demand.evaluations_or_none(service.store, trial.trial_id))
        for label, trial in zip(comparison.labels(trials), trials, strict=True)
    ]
    scale = x or figures.scale_of(trials)
    figure = figures.curves(
        labelled_curves, _source("evaluations", records), scale=scale, logarithmic=log
    )
    return captioned(request, snapshot, figure)


@router.get("/figures/compare/spectra", tags=["figures"])
@heavy
def spectra(
    request: Request,
    snapshot: Now,
    service: Serving,
    t: Trials = (),
    layer: LayerIndex = 4,
    columns: Columns = 4,
) -> Figure:
    """The spectrum of a layer of each trial over iterations, on one colour scale."""
    records = comparison.selected_records(snapshot, comparison.ids_of(t))
    tag_files(request, service, snapshot.id, on_demand.table_paths(records, "spectra"))
    source = _source("spectra", records) + f"&layer={layer}"

    def draw() -> Figure:
        labelled_rows = [
            (label, _layer_spectra(service, record["trial_id"], layer, on_demand.SPECTRUM))
            for label, record in zip(_labels(records), records, strict=True)
        ]
        labelled_spectra = [
            (label, [queries.spectrum(row) for row in rows]) for label, rows in labelled_rows
        ]
        if not any(rows for _, rows in labelled_spectra):
            return no_figure(f"No trial has a layer_{layer}.", source)
        return heat_maps(labelled_spectra, layer, columns, source)

    return captioned(request, snapshot, drawn_or_why_not(draw, source))


@router.get("/figures/compare/outputs", tags=["figures"])
@heavy
def outputs(
    request: Request,
    snapshot: Now,
    service: Serving,
    t: Trials = (),
    quantity: Annotated[output_figures.Quantity, Query(description="D(x) or D's loss")] = "d",
    at: Annotated[int | None, Query(ge=0, description="the last up to this iteration")] = None,
    columns: Columns = 4,
) -> Figure:
    """D's outputs of each trial at an iteration, on one axis."""
    records = comparison.selected_records(snapshot, comparison.ids_of(t))
    tag_files(request, service, snapshot.id, on_demand.table_paths(records, "outputs"))
    source = _source("outputs", records)

    def draw() -> Figure:
        labelled_histograms = [
            (label, _histograms(service, record["trial_id"], quantity))
            for label, record in zip(_labels(records), records, strict=True)
        ]
        return output_figures.side_by_side(labelled_histograms, quantity, at, columns, source)

    return captioned(request, snapshot, drawn_or_why_not(draw, source))


def _histograms(service: Service, trial_id: str, quantity: str) -> list[Histogram]:
    rows = on_demand.outputs(service.store, trial_id, None, quantity, None)
    return [queries.histogram(row) for row in rows]


def _labels(records: Sequence[Row]) -> list[str]:
    return comparison.labels([queries.trial(record) for record in records])


def _source(table: Table, records: Sequence[Row]) -> str:
    return f"/compare/{table}?" + "&".join(f"t={record['trial_id']}" for record in records)
