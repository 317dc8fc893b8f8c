"""The figures of one trial as JSON for its page: parse, ask, draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from api.drawing import thinning
from api.drawing.figure import Figure, captioned, no_figure
from api.reading import on_demand
from api.reading.snapshot import trial_record
from api.trials import curve_figures, dataset_facts, output_figures, queries, spectrum_figures
from api.trials.series import Spectrum
from api.web.parameters import LayerIndex, Now, Serving, known_parameters, separated, whole_numbers
from api.web.problems import RESPONSES
from api.web.service import Service, tag_files
from trainer.config.lookup import UsageError

router = APIRouter(
    prefix="/figures/trials/{trial_id}",
    tags=["figures"],
    dependencies=[Depends(known_parameters)],
    responses=RESPONSES,
)

Iteration = Annotated[
    int | None, Query(ge=0, description="the last one up to it; by default the last of all")
]


@router.get("/curves")
def curves(
    request: Request,
    snapshot: Now,
    service: Serving,
    trial_id: str,
    keys: Annotated[
        Sequence[str], Query(description="columns, one panel each; scores, losses, gap for none")
    ] = (),
    log: Annotated[bool, Query(description="logarithmic where all values are positive")] = False,
) -> Figure:
    """Columns of the evaluations over iterations."""
    record = trial_record(snapshot, trial_id)
    names = separated(keys)
    columns = thinning.curve_keys(names, scalar=True) if names else []
    tag_files(request, service, snapshot.id, [on_demand.table_path("evaluations", trial_id)])
    rows = on_demand.evaluations(service.store, trial_id)
    source = f"/trials/{trial_id}/evaluations" + (f"?keys={','.join(columns)}" if columns else "")
    trial = queries.trial(record)
    return captioned(
        request, snapshot, curve_figures.curves(trial, rows, columns, source, logarithmic=log)
    )


@router.get("/strip")
def strip(
    request: Request,
    snapshot: Now,
    service: Serving,
    trial_id: str,
    rank: Annotated[curve_figures.Rank, Query(description="of each layer")] = "stable_rank",
) -> Figure:
    """Quality, spectrum and game on one axis, each collapse marked."""
    trial = queries.trial(trial_record(snapshot, trial_id))
    tag_files(request, service, snapshot.id, [on_demand.table_path("evaluations", trial_id)])
    rows = on_demand.evaluations(service.store, trial_id)
    source = f"/trials/{trial_id}/evaluations"
    shortcuts = dataset_facts.shortcuts(trial)
    return captioned(request, snapshot, curve_figures.strip(trial, rows, rank, shortcuts, source))


@router.get("/spectra")
def spectra(
    request: Request, snapshot: Now, service: Serving, trial_id: str, layer: LayerIndex = 4
) -> Figure:
    """The spectrum of a layer over iterations."""
    trial = queries.trial(trial_record(snapshot, trial_id))
    tag_files(request, service, snapshot.id, [on_demand.table_path("spectra", trial_id)])
    source = f"/trials/{trial_id}/spectra?layer={layer}"
    try:
        rows = _spectra(service, trial_id, layer)
        names = dataset_facts.layers(trial)
        figure = spectrum_figures.heat_map(trial, rows, layer, names, source)
    except UsageError as error:
        figure = no_figure(f"{error}.", f"/trials/{trial_id}/spectra")
    return captioned(request, snapshot, figure)


@router.get("/snapshots")
def snapshots(
    request: Request,
    snapshot: Now,
    service: Serving,
    trial_id: str,
    layer: LayerIndex = 4,
    iterations: Annotated[
        Sequence[str], Query(description="repeatable or with commas; six of them for none")
    ] = (),
    at: Annotated[int | None, Query(ge=0, description="drawn so that it stands out")] = None,
) -> Figure:
    """The sorted spectrum of a layer at some iterations, one over the other."""
    trial = queries.trial(trial_record(snapshot, trial_id))
    pinned = whole_numbers("iterations", iterations)
    tag_files(request, service, snapshot.id, [on_demand.table_path("spectra", trial_id)])
    source = f"/trials/{trial_id}/spectra?layer={layer}"
    try:
        rows = _spectra(service, trial_id, layer)
        names = dataset_facts.layers(trial)
        figure = spectrum_figures.snapshots(rows, pinned, at, layer, names, source)
    except UsageError as error:
        figure = no_figure(f"{error}.", f"/trials/{trial_id}/spectra")
    return captioned(request, snapshot, figure)


@router.get("/outputs")
def outputs(
    request: Request, snapshot: Now, service: Serving, trial_id: str, at: Iteration = None
) -> Figure:
    """D(x) and D's loss on training, test and generated images, as histograms."""
    trial_record(snapshot, trial_id)
    tag_files(request, service, snapshot.id, [on_demand.table_path("outputs", trial_id)])
    stored = on_demand.outputs(service.store, trial_id, None, None, None)
    rows = [queries.histogram(row) for row in stored]
    source = f"/trials/{trial_id}/outputs"
    return captioned(request, snapshot, output_figures.histograms(rows, at, source))


def _spectra(service: Service, trial_id: str, layer: int) -> list[Spectrum]:
    rows = on_demand.spectra(service.store, trial_id, layer, on_demand.SPECTRUM)
    return [queries.spectrum(row) for row in rows]
