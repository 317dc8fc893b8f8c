"""Searches as JSON, and their figures: parse, ask, draw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import pyarrow as pa
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from api.drawing.figure import Figure, captioned, no_figure
from api.reading import on_demand, plans
from api.reading.snapshot import Snapshot
from api.searches import course_figures, parallel_figure, scatter_figures
from api.searches.models import Search, SearchStudy, SearchTrial
from api.searches.studies import (
    Recorded,
    chosen_study,
    rated_study,
    recorded_studies,
    studies,
)
from api.web import formats
from api.web.etags import not_modified_or_continue
from api.web.parameters import TABLES, Format, Now, Serving, known_parameters
from api.web.problems import RESPONSES
from api.web.service import Service
from api.web.workers import heavy
from sweep.report.importance import is_number
from sweep.store.vocabulary import study_path

router = APIRouter(tags=["results"], dependencies=[Depends(known_parameters)], responses=RESPONSES)
figure_router = APIRouter(
    prefix="/figures/searches/{name}",
    tags=["figures"],
    dependencies=[Depends(known_parameters)],
    responses=RESPONSES,
)

StudyName = Annotated[
    str | None, Query(description="a setting or a data set; by default what has most trials")
]
OF_TRIALS = {"parameters"}


@router.get("/searches/{name}", response_model=Search, responses=TABLES)
@heavy
def search(
    request: Request,
    snapshot: Now,
    service: Serving,
    name: str,
    study: Annotated[str | None, Query(description="one of them; by default all")] = None,
    format: Format = None,
) -> Response:
    """A sweep as a search: what its trials vary, the best so far, and what mattered (PED-ANOVA).

    A trial counts once it has completed, collapsed, or been stopped at a rung. As a table a row
    per such trial, with a column for each parameter.
    """
    media = formats.negotiate(request, format)
    recorded = recorded_and_tagged(request, snapshot, service, name, media)
    by_name = studies(snapshot, name, recorded)
    selected = [*by_name] if study is None else [_named_study(by_name, study).study]
    return formats.json_or_file(
        request,
        media,
        f"{name}.search",
        lambda: Search(
            sweep=name,
            studies=[rated_study(snapshot, name, recorded, each) for each in selected],
            snapshot=snapshot.id,
        ),
        lambda: _table([by_name[each] for each in selected]),
    )


def recorded_and_tagged(
    request: Request, snapshot: Snapshot, service: Service, name: str, media: str = formats.JSON
) -> tuple[Recorded, ...]:
    """Reads what the search has recorded of its studies; gives the response an ETag over it, too.

    Ends the request if the response is not modified or cached. Raises NotFound, and
    StoreError if the store cannot be read.
    """
    plans.plan_records(snapshot, name)  # a name that no sweep has may be no name of a file
    path = study_path(name)
    not_modified_or_continue(
        request, f"{snapshot.id} {on_demand.stamp(service.store, path)}", media
    )
    return recorded_studies(service.store.read(path))


def _named_study(by_name: Any, study: str | None) -> SearchStudy:
    selected = chosen_study(by_name, study)
    assert selected is not None  # of a name there is one, or it is refused
    return selected


def _table(selected: Sequence[SearchStudy]) -> pa.Table:
    """A row per trial: its study, then the parameters' columns between those of all trials."""
    trials = [(study.study, trial) for study in selected for trial in study.trials]
    names = dict.fromkeys(p.name for study in selected for p in study.parameters)
    columns = formats.schema_of((SearchTrial, OF_TRIALS))
    columns = columns.insert(0, pa.field("study", pa.string()))
    for name in names:
        values = [trial.parameters.get(name) for _, trial in trials]
        numeric = all(value is None or is_number(value) for value in values)
        kind = pa.float64() if numeric else pa.string()
        columns = columns.append(pa.field(_column(name), kind))
    rows = [
        {
            "study": study,
            **trial.model_dump(exclude=OF_TRIALS),
            **{
                _column(name): value if pa.types.is_floating(kind) else str(value)
                for name, value in trial.parameters.items()
                if (kind := columns.field(_column(name)).type)
            },
        }
        for study, trial in trials
    ]
    return formats.table_of(rows, columns)


def _column(parameter: str) -> str:
    """The column of a parameter, which a sampler of somebody else's may call as it likes."""
    return f"parameter_{parameter}"


@figure_router.get("/slices")
def slices(
    request: Request,
    snapshot: Now,
    service: Serving,
    name: str,
    study: StudyName = None,
    log: Annotated[bool, Query(description="logarithmic where all scores are positive")] = False,
) -> Figure:
    """The score over each parameter."""

    def draw(selected: SearchStudy, source: str) -> Figure:
        return scatter_figures.slices(selected, source, log=log)

    return _figure(request, snapshot, service, name, study, draw)


@figure_router.get("/contour")
@heavy
def contour(
    request: Request,
    snapshot: Now,
    service: Serving,
    name: str,
    study: StudyName = None,
    x: Annotated[str | None, Query(description="a parameter; by default the first")] = None,
    y: Annotated[str | None, Query(description="another one; by default the next")] = None,
) -> Figure:
    """The score over two parameters."""

    def draw(selected: SearchStudy, source: str) -> Figure:
        names = contour_parameters(selected, x, y)
        if names is None:
            return no_figure("Less than two parameters vary.", source)
        return scatter_figures.contour(selected, *names, source)

    return _figure(request, snapshot, service, name, study, draw)


def contour_parameters(study: SearchStudy, x: str | None, y: str | None) -> tuple[str, str] | None:
    """The parameters of a contour: those that are given, else numbers before choices; None if
    less than two vary."""
    ordered = sorted(study.parameters, key=lambda parameter: parameter.choices is not None)
    names = [parameter.name for parameter in ordered]
    if len(names) < 2:
        return None
    across = x or next(name for name in names if name != y)
    return across, y or next(name for name in names if name != across)


@figure_router.get("/parallel")
def parallel(
    request: Request, snapshot: Now, service: Serving, name: str, study: StudyName = None
) -> Figure:
    """Every trial as a line through its parameters to its score."""
    return _figure(request, snapshot, service, name, study, parallel_figure.parallel)


@figure_router.get("/best")
def best(
    request: Request, snapshot: Now, service: Serving, name: str, study: StudyName = None
) -> Figure:
    """The best score over the iterations of all trials."""
    return _figure(request, snapshot, service, name, study, course_figures.best_so_far)


@figure_router.get("/importance")
@heavy
def importance(
    request: Request, snapshot: Now, service: Serving, name: str, study: StudyName = None
) -> Figure:
    """Importances of the parameters (PED-ANOVA), with intervals over resamples."""
    recorded = recorded_and_tagged(request, snapshot, service, name)

    def draw(selected: SearchStudy, source: str) -> Figure:
        rated = rated_study(snapshot, name, recorded, selected.study)
        return course_figures.importances(rated, source)

    return _figure(request, snapshot, service, name, study, draw)


def _figure(
    request: Request,
    snapshot: Snapshot,
    service: Service,
    name: str,
    study: str | None,
    draw: Callable[[SearchStudy, str], Figure],
) -> Figure:
    recorded = recorded_and_tagged(request, snapshot, service, name)
    selected = chosen_study(studies(snapshot, name, recorded), study)
    source = f"/searches/{quote(name, safe='')}"
    if selected is None:
        return captioned(request, snapshot, no_figure("There is no trial in its plan.", source))
    source += f"?{urlencode({'study': selected.study})}"
    return captioned(request, snapshot, draw(selected, source))
