"""The page of a trial."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from api.drawing import thinning
from api.pages.rendering import page
from api.reading import on_demand
from api.reading.snapshot import Row, trial_record
from api.trials import dataset_facts, queries
from api.trials.curve_figures import RANKS
from api.trials.differences import differences
from api.trials.evidence import evidence, later_low
from api.trials.extension import extension
from api.trials.film import moments
from api.trials.neighbours import neighbours
from api.trials.timeline import chronicle, folded
from api.web.etags import not_modified_or_continue
from api.web.parameters import Now, Serving
from sweep.store.schemas import SCHEMAS

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

USUAL_LAYER = 4


@router.get("/view/trials/{trial_id}")
def trial(request: Request, snapshot: Now, service: Serving, trial_id: str) -> Response:
    """A trial: verdict, curves, spectra, samples, configuration, what happened."""
    record = trial_record(snapshot, trial_id)
    samples = on_demand.sample_iterations(service.store, trial_id)
    stamp = on_demand.stamp(service.store, on_demand.table_path("evaluations", trial_id))
    may_control = getattr(request.state, "may_control", False)
    not_modified_or_continue(
        request, f"{snapshot.id} {stamp} {samples} {may_control} {service.rates}", "text/html"
    )
    rows = on_demand.evaluations_or_none(service.store, trial_id)
    detail = queries.trial_detail(snapshot, record, service.rates)
    layers = dataset_facts.layers(detail)
    nearby = neighbours(snapshot, record)
    baseline = nearby.baseline
    pair = [detail]
    if baseline is not None:
        pair.append(queries.trial_detail(snapshot, snapshot.records[baseline.trial_id]))
    return page(
        request,
        "trial.html",
        trial=detail,
        score=dataset_facts.score_of(detail),
        score_title=dataset_facts.title_of(detail),
        samples=samples,
        moments=moments(samples, record["mode_collapse_at"]),
        layers=layers,
        layer=max(0, min(USUAL_LAYER, len(layers) - 1)),
        nearby=nearby,
        baseline=baseline,
        differences=differences(pair),
        ranks=RANKS,
        may_control=may_control,
        more=extension(record, nearby.seeds),
        steps=sorted({row["iteration"] for row in rows} | set(samples)),
        events=folded(chronicle(detail, rows)),
        evidence=evidence(detail, rows),
        later=later_low(detail, rows),
        speed=_median(rows, "images_per_second"),
        memory=max((row["gpu_memory"] for row in rows if row["gpu_memory"]), default=None),
        columns=_columns(rows),
    )


def _median(rows: Sequence[Row], key: str) -> float | None:
    values = [row[key] for row in rows if row[key] is not None and row[key] == row[key]]
    return statistics.median(values) if values else None


def _columns(rows: Sequence[Row]) -> dict[str, str]:
    """Columns that can be drawn as curves, each with its description."""
    schema = SCHEMAS["evaluations"]
    return {
        name: (schema.field(name).metadata or {}).get(b"says", b"").decode()
        for name in thinning.SCALARS
        if any(row[name] is not None for row in rows)
    }
