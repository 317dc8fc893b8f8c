"""The figures of one trial as JSON for its page: parse, ask, draw."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from api.drawing import figure as figure_module
from api.drawing import figure as figures
from api.drawing import thinning
from api.drawing.figure import shown
from api.reading import on_demand
from api.reading.snapshot import trial_record
from api.trials import curve_figures as drawing
from api.trials import dataset_facts, output_figures, queries, spectrum_figures
from api.trials.series import Spectrum
from api.web.parameters import LayerIndex, Now, Serving, known_parameters, separated, whole_numbers
from api.web.problems import RESPONSES
from api.web.service import Service, tag_trial
from trainer.config.lookup import UsageError

router = APIRouter(
    prefix="/figures/trials/{trial_id}", tags=["figures"],
    dependencies=[Depends(known_parameters)], responses=RESPONSES,
)  # fmt: skip

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
        list[str], Query(description="columns, one panel each; scores, losses, gap for none")
    ] = [],  # noqa: B006 - FastAPI copies defaults
    log: Annotated[bool, Query(description="logarithmic where all values are positive")] = False,
) -> figure_module.Figure:
    """Columns of the evaluations over iterations."""
    record = trial_record(snapshot, trial_id)
    names = separated(keys)
    chosen = thinning.curve_keys(names, scalar=True) if names else []
    tag_trial(request, service, trial_id, snapshot.id, "evaluations")
    rows = on_demand.evaluations(service.store, trial_id)
    source = f"/trials/{trial_id}/evaluations" + (f"?keys={','.join(chosen)}" if chosen else "")
    trial = queries.trial(record)
    return shown(request, snapshot, drawing.curves(trial, rows, chosen, source, logarithmic=log))


@router.get("/strip")
def strip(
    request: Request,
    snapshot: Now,
    service: Serving,
    trial_id: str,
    rank: Annotated[drawing.Rank, Query(description="of each layer")] = "stable_rank",
) -> figure_module.Figure:
    """Quality, spectrum and game on one axis, each collapse marked."""
    trial = queries.trial(trial_record(snapshot, trial_id))
    tag_trial(request, service, trial_id, snapshot.id, "evaluations")
    rows = on_demand.evaluations(service.store, trial_id)
    source = f"/trials/{trial_id}/evaluations"
    shortcuts = dataset_facts.shortcuts(trial)
    return shown(request, snapshot, drawing.strip(trial, rows, rank, shortcuts, source))


@router.get("/spectra")
def spectra(
    request: Request, snapshot: Now, service: Serving, trial_id: str, layer: LayerIndex = 4
) -> figure_module.Figure:
    """The spectrum of a layer over iterations."""
    trial = queries.trial(trial_record(snapshot, trial_id))
    tag_trial(request, service, trial_id, snapshot.id, "spectra")
    source = f"/trials/{trial_id}/spectra?layer={layer}"
    try:
        rows = _spectra(service, trial_id, layer)
        names = dataset_facts.layers(trial)
        figure = spectrum_figures.heat_map(trial, rows, layer, names, source)
    except UsageError as error:
        figure = figures.no_figure(f"{error}.", f"/trials/{trial_id}/spectra")
    return shown(request, snapshot, figure)


@router.get("/snapshots")
def snapshots(
    request: Request,
    snapshot: Now,
    service: Serving,
    trial_id: str,
    layer: LayerIndex = 4,
    iterations: Annotated[
        list[str], Query(description="repeatable or with commas; six of them for none")
    ] = [],  # noqa: B006 - FastAPI copies defaults
    at: Annotated[int | None, Query(ge=0, description="drawn so that it stands out")] = None,
) -> figure_module.Figure:
    """The sorted spectrum of a layer at some iterations, one over the other."""
    trial = queries.trial(trial_record(snapshot, trial_id))
    wanted = whole_numbers("iterations", iterations)
    tag_trial(request, service, trial_id, snapshot.id, "spectra")
    source = f"/trials/{trial_id}/spectra?layer={layer}"
    try:
        rows = _spectra(service, trial_id, layer)
        names = dataset_facts.layers(trial)
        figure = spectrum_figures.snapshots(rows, wanted, at, layer, names, source)
    except UsageError as error:
        figure = figures.no_figure(f"{error}.", f"/trials/{trial_id}/spectra")
    return shown(request, snapshot, figure)


@router.get("/outputs")
def outputs(
    request: Request, snapshot: Now, service: Serving, trial_id: str, at: Iteration = None
) -> figure_module.Figure:
    """D(x) and D's loss on training, test and generated images, as histograms."""
    trial_record(snapshot, trial_id)
    tag_trial(request, service, trial_id, snapshot.id, "outputs")
    stored = on_demand.outputs(service.store, trial_id, None, None, None)
    rows = [queries.histogram(row) for row in stored]
    source = f"/trials/{trial_id}/outputs"
    return shown(request, snapshot, output_figures.histograms(rows, at, source))


def _spectra(service: Service, trial_id: str, layer: int) -> list[Spectrum]:
    return [queries.spectrum(row) for row in on_demand.spectra(service.store, trial_id, layer)]
