"""The page of 2 to 8 trials side by side: its address is all of its state."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from api.compare import comparison, figures
from api.pages.rendering import page
from api.reading import on_demand
from api.reading.snapshot import Row, Snapshot
from api.trials import dataset_facts, queries
from api.trials.film import film, frames
from api.trials.models import Trial
from api.trials.neighbours import neighbours
from api.web.parameters import Now, Serving
from api.web.service import Service, tag_files
from api.web.workers import heavy
from trainer.config.lookup import UsageError

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

# Trials that the box proposes: enough to choose from, few enough to read.
PROPOSED = 24
# Plotly's names for dashes as SVG has them, for the key beside a name.
KEYS = {
    "solid": "none", "dash": "9 5", "dot": "3 3", "dashdot": "9 3 3 3", "longdash": "14 5",
    "longdashdot": "14 4 3 4", "10px,3px": "10 3", "2px,5px": "2 5",
}  # fmt: skip


@router.get("/view/compare")
@heavy
def compare(
    request: Request,
    snapshot: Now,
    service: Serving,
    t: Annotated[Sequence[str], Query()] = (),
    all: bool = False,
    layer: int = 4,
) -> Response:
    """Trials side by side, or what is wrong with the choice and how to mend it."""
    ids = comparison.ids_of(t)
    try:
        records = comparison.selected_records(snapshot, ids)
    except UsageError as error:
        return _refused(request, snapshot, ids, str(error))
    tag_files(
        request, service, snapshot.id, on_demand.table_paths(records, "evaluations"), "text/html"
    )
    result = comparison.compare_records(
        snapshot, records, partial(on_demand.evaluations_or_none, service.store), every=all
    )
    trials = [queries.trial(record) for record in records]
    samples = [on_demand.sample_iterations(service.store, trial_id) for trial_id in ids]
    columns = frames(sorted({iteration for each in samples for iteration in each}))
    layers = max((dataset_facts.layers(trial) for trial in trials), key=len)
    return page(
        request,
        "compare.html",
        comparison=result,
        ids=ids,
        every=all,
        styles=figures.styles([trial.method for trial in trials]),
        layers=layers,
        layer=max(0, min(layer, len(layers) - 1)),
        scale=figures.scale_of(trials),
        steps=_steps(service, records),
        samples=samples,
        columns=columns,
        collapses=[record["mode_collapse_at"] for record in records],
        films=[film(iterations, columns) for iterations in samples],
        query=query,
        swapped=swapped,
        dashes=KEYS,
        proposed=_proposed(snapshot, records, ids),
    )


def swapped(ids: Sequence[str], k: int) -> list[str]:
    """Ids with the k-th before its left neighbour."""
    return [*ids[: k - 1], ids[k], ids[k - 1], *ids[k + 1 :]]


def _refused(request: Request, snapshot: Snapshot, ids: Sequence[str], detail: str) -> Response:
    known_ids = [trial_id for trial_id in ids if trial_id in snapshot.records]
    near = {
        trial_id: comparison.nearest(snapshot, trial_id)
        for trial_id in ids
        if trial_id not in known_ids
    }
    records = [snapshot.records[trial_id] for trial_id in known_ids]
    # A choice of none or one is not yet wrong.
    code = 200 if not near and len(known_ids) < comparison.FEWEST else 422
    return page(
        request,
        "compare_choice.html",
        code,
        detail=detail,
        wrong=code != 200,
        ids=known_ids,
        near=near,
        query=query,
        trials=[queries.trial(record) for record in records],
        proposed=_proposed(snapshot, records, known_ids),
        most=comparison.MOST,
    )


def query(ids: Sequence[str], every: bool = False) -> str:
    """The address's query for these trials in this order."""
    return urlencode(
        [*(("t", trial_id) for trial_id in ids), *([("all", "true")] if every else [])]
    )


def _steps(service: Service, records: Sequence[Row]) -> list[int]:
    """Iterations at which anything was measured of any of them."""
    curves = [
        on_demand.evaluations_or_none(service.store, record["trial_id"]) for record in records
    ]
    return sorted({row["iteration"] for rows in curves for row in rows})


def _proposed(snapshot: Snapshot, records: Sequence[Row], ids: Sequence[str]) -> list[Trial]:
    """Neighbours of the chosen trials, else the first trials of the store."""
    proposals: dict[str, Trial] = {}
    for record in records:
        near = neighbours(snapshot, record)
        for trial in (*near.methods, *near.ratios, *near.seeds):
            proposals.setdefault(trial.trial_id, trial)
    if not records:
        first_ids = snapshot.ids[:PROPOSED]
        proposals = {name: queries.trial(snapshot.records[name]) for name in first_ids}
    return [trial for name, trial in proposals.items() if name not in ids][:PROPOSED]
