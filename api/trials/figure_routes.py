"""The figures of one trial as JSON for its page: parse, ask, draw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from sweep.store.retry import trouble
from sweep.store.store import StoreError
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
    source = f"/trials/{trial_id}/evaluations" + (f"?keys={','.join(columns)}" if columns else "")
    trial = queries.trial(record)

    def draw() -> Figure:
        rows = on_demand.evaluations(service.store, trial_id)
        return curve_figures.curves(trial, rows, columns, source, logarithmic=log)

    return captioned(request, snapshot, drawn_or_why_not(draw, source))


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
    source = f"/trials/{trial_id}/evaluations"

    def draw() -> Figure:
        rows = on_demand.evaluations(service.store, trial_id)
        shortcuts = dataset_facts.shortcuts(trial)
        return curve_figures.strip(trial, rows, rank, shortcuts, source)

    return captioned(request, snapshot, drawn_or_why_not(draw, source))


@router.get("/spectra")
def spectra(
    request: Request, snapshot: Now, service: Serving, trial_id: str, layer: LayerIndex = 4
) -> Figure:
    """The spectrum of a layer over iterations."""
    trial = queries.trial(trial_record(snapshot, trial_id))
    tag_files(request, service, snapshot.id, [on_demand.table_path("spectra", trial_id)])
    source = f"/trials/{trial_id}/spectra?layer={layer}"

    def draw() -> Figure:
        rows = _spectra(service, trial_id, layer)
        names = dataset_facts.layers(trial)
        return spectrum_figures.heat_map(trial, rows, layer, names, source)

    figure = drawn_or_why_not(draw, f"/trials/{trial_id}/spectra")
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

    def draw() -> Figure:
        rows = _spectra(service, trial_id, layer)
        names = dataset_facts.layers(trial)
        return spectrum_figures.snapshots(rows, pinned, at, layer, names, source)

    figure = drawn_or_why_not(draw, f"/trials/{trial_id}/spectra")
    return captioned(request, snapshot, figure)


@router.get("/outputs")
def outputs(
    request: Request, snapshot: Now, service: Serving, trial_id: str, at: Iteration = None
) -> Figure:
    """D(x) and D's loss on training, test and generated images, as histograms."""
    trial_record(snapshot, trial_id)
    tag_files(request, service, snapshot.id, [on_demand.table_path("outputs", trial_id)])
    source = f"/trials/{trial_id}/outputs"

    def draw() -> Figure:
        stored = on_demand.outputs(service.store, trial_id, None, None, None)
        rows = [queries.histogram(row) for row in stored]
        return output_figures.histograms(rows, at, source)

    return captioned(request, snapshot, drawn_or_why_not(draw, source))


def drawn_or_why_not(draw: Callable[[], Figure], data: str) -> Figure:
    """The figure, or an empty one with the reason why there is none; `data` leads to its data.

    Raises StoreError while the store cannot be reached: asked again there may be a figure.
    """
    try:
        return draw()
    except UsageError as error:
        return no_figure(f"{error}.", data)
    except StoreError as error:
        if trouble(error) is not None:
            raise
        return no_figure(f"{error}.", data)


def _spectra(service: Service, trial_id: str, layer: int) -> list[Spectrum]:
    rows = on_demand.spectra(service.store, trial_id, layer, on_demand.SPECTRUM)
    return [queries.spectrum(row) for row in rows]
