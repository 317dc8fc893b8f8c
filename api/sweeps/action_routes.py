"""Routes that ask running sweeps to stop or retry: who may, what is sent, where to look."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from api.reading import on_demand
from api.reading.plans import plan_records
from api.sweeps import actions
from api.sweeps.actions import Accepted, SweepAction, TrialAction
from api.web import formats, problems
from api.web.addresses import public_address
from api.web.bodies import Fields
from api.web.control import CONTROL, CONTROL_RESPONSES, back_to_page, request_bodies, validated
from api.web.etags import not_modified_or_continue
from api.web.flattening import flat_table
from api.web.parameters import TABLES, Format, Now, Serving, known_parameters
from api.web.problems import RESPONSES
from sweep.store import requests

router = APIRouter(tags=["actions"], dependencies=[Depends(known_parameters)], responses=RESPONSES)


ACTION_RESPONSES: dict[int | str, dict[str, Any]] = {
    **CONTROL_RESPONSES,
    409: {
        "model": problems.Problem,
        "description": "The sweep is not running, or the trial stands otherwise; says what to do",
    },
}


@router.get("/sweeps/{name}/actions", response_model=actions.AskedList, responses=TABLES)
def sweep_actions(
    request: Request, snapshot: Now, service: Serving, name: str, format: Format = None
) -> Response:
    """What was asked of the sweep's present or last run, and stands until its next start."""
    media = formats.negotiate(request, format)
    plan_records(snapshot, name)
    stamp = on_demand.stamp(service.store, requests.path(name))
    not_modified_or_continue(request, stamp, media)
    items = actions.pending_requests(service.store, name)
    return formats.json_or_file(
        request,
        media,
        f"{name}.actions",
        lambda: actions.AskedList(sweep=name, items=items),
        lambda: flat_table(actions.Asked, items),
    )


@router.post(
    "/sweeps/{name}/actions",
    status_code=202,
    response_model=Accepted,
    responses=ACTION_RESPONSES,
    dependencies=CONTROL,
    openapi_extra=request_bodies(SweepAction),
)
def act_on_sweep(
    request: Request, snapshot: Now, service: Serving, name: str, sent: Fields
) -> Response:
    """Asks a running sweep to stop. Its own command goes on with it another time."""
    validated(SweepAction, sent)
    accepted = actions.ask_sweep(service.store, snapshot, name)
    return _accepted_response(request, accepted, f"/view/sweeps/{quote(name)}")


@router.post(
    "/trials/{trial_id}/actions",
    status_code=202,
    response_model=Accepted,
    responses=ACTION_RESPONSES,
    dependencies=CONTROL,
    openapi_extra=request_bodies(TrialAction),
)
def act_on_trial(
    request: Request, snapshot: Now, service: Serving, trial_id: str, sent: Fields
) -> Response:
    """Asks every running sweep with the trial to stop it, or to go on with one that ended so."""
    trial_action = validated(TrialAction, sent)
    accepted = actions.ask_trial(service.store, snapshot, trial_id, trial_action.action)
    return _accepted_response(request, accepted, f"/view/trials/{quote(trial_id)}")


def _accepted_response(request: Request, accepted: Accepted, page: str) -> Response:
    """202 with where to look; a form's sender goes back to the page."""
    if (redirect := back_to_page(request, page)) is not None:
        return redirect
    address = public_address(request, quote(accepted.see))
    body = accepted.model_copy(update={"see": address}).model_dump()
    return JSONResponse(body, 202, headers={"Location": address})
