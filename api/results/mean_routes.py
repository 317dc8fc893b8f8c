"""Means of a score over runs along their training, as data and as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from api.drawing.figure import Figure, captioned
from api.drawing.thinning import SCALARS
from api.reading.snapshot import Row, Snapshot
from api.results import groups
from api.results.filters import Filters, matching
from api.results.mean_curves import MeanCurve, MeanCurves, Run, mean_curve, rows, schema
from api.results.mean_figures import Band, mean_figure
from api.results.parameters import RANGE_PARAMETERS, TrialFilters
from api.results.run_curves import Scale, positions, run_curves
from api.trials.curve_figures import TITLES
from api.trials.figure_routes import drawn_or_why_not
from api.web import formats
from api.web.parameters import TABLES, Format, Now, Serving, known_parameters, separated
from api.web.problems import RESPONSES
from api.web.service import Service, tag_curves
from api.web.workers import heavy
from sweep.paper.scores import OWN_SCORE, score_name, score_title
from trainer.config.lookup import UsageError, lookup

router = APIRouter(tags=["results"], dependencies=[Depends(known_parameters)], responses=RESPONSES)

# Runs of one answer: of more the first one would take many seconds to read.
MOST_RUNS = 1000

By = Annotated[
    Sequence[str],
    Query(description="repeatable or with commas; profile, setting, method, i, share for none"),
]
Score = Annotated[
    str | None, Query(description="any number of an evaluation; else the distance of all runs")
]
Axis = Annotated[
    Scale,
    Query(description="iteration, real images through D, GPU-hours or seconds of training"),
]


@router.get(
    "/groups/curves", response_model=MeanCurves, responses=TABLES, openapi_extra=RANGE_PARAMETERS
)
@heavy
def group_curves(
    request: Request,
    snapshot: Now,
    service: Serving,
    filters: TrialFilters,
    by: By = (),
    score: Score = None,
    x: Axis = "iteration",
    format: Format = None,
) -> Response:
    """The course of a score in each group: mean, sd and interval of its runs at up to 100 points.

    The interval is Student's, as if the runs were independent: group by setting to have it over
    seeds. A run counts from its first to its last evaluation, linear between two of them: `n` says
    how many there are at a point. As a file a row per group and point. At most 1000 runs.
    """
    media = formats.negotiate(request, format)
    tag_curves(request, service, snapshot, media)
    curves = _mean_curves(service, snapshot, filters, by, score, x)
    return formats.json_or_file(
        request,
        media,
        "curves",
        lambda: curves,
        lambda: formats.table_of(rows(curves.items), schema(curves.by)),
    )


@router.get("/figures/groups/curves", tags=["figures"], openapi_extra=RANGE_PARAMETERS)
@heavy
def group_figure(
    request: Request,
    snapshot: Now,
    service: Serving,
    filters: TrialFilters,
    by: By = (),
    score: Score = None,
    x: Axis = "iteration",
    band: Annotated[Band, Query(description="about the mean")] = "sd",
    log: Annotated[bool, Query(description="logarithmic where all values are positive")] = False,
    log_x: Annotated[bool, Query(description="a logarithmic x axis")] = False,
) -> Figure:
    """Mean and band of a score over the runs of each group, a panel per setting."""
    tag_curves(request, service, snapshot)
    source = _source(request)

    def draw() -> Figure:
        curves = _mean_curves(service, snapshot, filters, by, score, x)
        return mean_figure(curves, source, band=band, log=log, log_x=log_x)

    return captioned(request, snapshot, drawn_or_why_not(draw, source))


def _source(request: Request) -> str:
    """Address of the data: what is asked for, without the figure's looks."""
    url = request.url.remove_query_params(["band", "log", "log_x"])
    return f"/groups/curves?{url.query}"


def _mean_curves(
    service: Service,
    snapshot: Snapshot,
    filters: Filters,
    by: Sequence[str],
    score: str | None,
    x: Scale,
) -> MeanCurves:
    """The means of the groups that have a curve.

    Raises UsageError for an unknown name, for runs without a common score and for too many runs.
    """
    columns = groups.read_by(separated(by))
    records = [row for row in matching(snapshot, filters) if row["iteration"] is not None]
    if len(records) > MOST_RUNS:
        raise UsageError(
            f"{len(records)} runs are more than the {MOST_RUNS} that are averaged at a time: "
            "filter by sweep, setting or method"
        )
    name = _score_of(score, records)
    curves = run_curves(service.store, snapshot, records, name)
    runs_by_id: dict[str, Run] = {}
    without_x = 0
    for record, curve in zip(records, curves, strict=True):
        places = positions(record, curve, x)
        if curve.values and places is None:
            without_x += 1
        elif curve.values and places is not None:
            runs_by_id[record["trial_id"]] = Run(
                record=record, iterations=curve.iterations, x=places, y=curve.values
            )
    return MeanCurves(
        score=name,
        title=_title(name, records),
        x=x,
        by=columns,
        items=_items(records, columns, runs_by_id),
        without_x=without_x,
        snapshot=snapshot.id,
    )


def _items(records: Sequence[Row], by: Sequence[str], runs: dict[str, Run]) -> list[MeanCurve]:
    placed = [record for record in records if record["trial_id"] in runs]
    return [
        mean_curve(values, [runs[record["trial_id"]] for record in members])
        for values, members in groups.grouped_rows(placed, by)
    ]


def _score_of(name: str | None, records: Sequence[Row]) -> str:
    """The column of evaluations of that name, else the distance that all runs are judged by.

    Raises UsageError for an unknown name, and if runs are judged by different distances.
    """
    if name is not None:
        lookup("score", dict.fromkeys(SCALARS), name)
        return name
    titles = {score_title(record): score_name(record) for record in records} or {"FID": "fid"}
    if len(titles) > 1:
        raise UsageError(
            f"these runs are judged by {' and '.join(sorted(titles))}: give score=, or a profile"
        )
    return next(iter(titles.values()))


def _title(score: str, records: Sequence[Row]) -> str:
    """The score in words: one that a loop of its own declares under its own name."""
    if score != OWN_SCORE:
        return TITLES.get(score, score.replace("_", " "))
    own = [record for record in records if score_name(record) == OWN_SCORE]
    return " or ".join(sorted({score_title(record) for record in own})) or "own score"
