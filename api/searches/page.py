"""The page of a search: its best trials, and the score over what it varies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from api.pages.rendering import page
from api.reading import plans
from api.searches.models import SearchStudy
from api.searches.routes import StudyName, contour_parameters, recorded_and_tagged
from api.searches.scatter_figures import text_of
from api.searches.studies import chosen_study, studies
from api.web.parameters import Now, Serving

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

BEST_TRIALS = 10


@router.get("/view/searches/{name}")
def search(
    request: Request, snapshot: Now, service: Serving, name: str, study: StudyName = None
) -> Response:
    """A study of a sweep; the others are a link away."""
    recorded = recorded_and_tagged(request, snapshot, service, name, "text/html")
    by_name = studies(snapshot, name, recorded)
    current = chosen_study(by_name, study)
    trials = current.trials if current else []
    return page(
        request,
        "search.html",
        name=name,
        studies=by_name,
        study=current,
        best_trials=sorted(trials, key=lambda trial: trial.objective)[:BEST_TRIALS],
        axes=_axes(current),
        text_of=text_of,
        live=any(row["status"] == "running" for row in plans.plan_records(snapshot, name)),
    )


def _axes(study: SearchStudy | None) -> Mapping[str, Any] | None:
    """The contour's parameters as they are chosen at first; None if less than two vary."""
    names = study and contour_parameters(study, None, None)
    return {"x": names[0], "y": names[1]} if names else None
