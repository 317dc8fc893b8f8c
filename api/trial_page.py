"""The page of a trial."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from api import figures, queries, reads
from api.caching import conditional
from api.parameters import Now, Serving
from api.rendering import page

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/view/trials/{trial_id}")
def trial(request: Request, snapshot: Now, service: Serving, trial_id: str) -> Response:
    """A trial: verdict, curves, spectra, samples, configuration."""
    record = queries.record(snapshot, trial_id)
    iterations = reads.sample_iterations(service.store, trial_id)
    conditional(request, f"{snapshot.id} {iterations}", "text/html")
    shown = queries.trial_detail(snapshot, record)
    score = figures.score_of(shown)
    return page(
        request, "trial.html", trial=shown, score=score, samples=iterations,
        layers=figures.layers(shown),
    )  # fmt: skip
