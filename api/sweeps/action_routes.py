"""Routes that ask running sweeps to stop or retry: who may, what is sent, where to look."""

from __future__ import annotations

from typing import Any, TypeVar
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from api.reading import on_demand
from api.reading.plans import plan_records
from api.sweeps import actions
from api.sweeps.actions import Accepted, SweepAction, TrialAction
from api.web import formats, problems
from api.web.access import local_address_or
from api.web.addresses import path_in, public_address
from api.web.bodies import FORM, JSON, Fields, media_of
from api.web.etags import not_modified_or_continue
from api.web.flattening import flat_table
from api.web.parameters import TABLES, Format, Now, Serving, known_parameters
from api.web.problems import RESPONSES
from sweep.store import requests

router = APIRouter(tags=["actions"], dependencies=[Depends(known_parameters)], responses=RESPONSES)


def in_control(request: Request) -> None:
    """Raises HTTPException for a request that may not control."""
    if request.state.may_control:
        return
    if request.app.state.tokens.control is None:
        raise HTTPException(
            403,
            "this service controls nothing: start it with --control-token-file FILE, or "
            "SWEEP_API_CONTROL_TOKEN, to stop and retry trials from here",
        )
    if "authorization" in request.headers or request.state.logged_in:
        raise HTTPException(403, "this token does not control: use the control token")
    raise HTTPException(
        401,
        "the control token is needed: Authorization: Bearer <token>",
        headers={"WWW-Authenticate": "Bearer"},
    )


def _request_bodies(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema()
    content = {media: {"schema": schema} for media in (JSON, FORM)}
    return {"requestBody": {"required": True, "content": content}}


ACTION_RESPONSES: dict[int | str, dict[str, Any]] = {
    303: {"description": "A form was sent: back to the page that it is on"},
    **{
        status: {"model": problems.Problem, "description": description}
        for status, description in {
            400: "No such body",
            401: "No token",
            403: "A token that does not control, or no control token at all",
            409: "The sweep is not running, or the trial stands otherwise; says what to do",
            413: "Content Too Large",
            415: "Unsupported Media Type",
        }.items()
    },
}
Model = TypeVar("Model", bound=BaseModel)
CONTROL = [Depends(in_control)]


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
    openapi_extra=_request_bodies(SweepAction),
)
def act_on_sweep(
    request: Request, snapshot: Now, service: Serving, name: str, sent: Fields
) -> Response:
    """Asks a running sweep to stop. Its own command goes on with it another time."""
    _validated(SweepAction, sent)
    accepted = actions.ask_sweep(service.store, snapshot, name)
    return _accepted_response(request, accepted, f"/view/sweeps/{quote(name)}")


@router.post(
    "/trials/{trial_id}/actions",
    status_code=202,
    response_model=Accepted,
    responses=ACTION_RESPONSES,
    dependencies=CONTROL,
    openapi_extra=_request_bodies(TrialAction),
)
def act_on_trial(
    request: Request, snapshot: Now, service: Serving, trial_id: str, sent: Fields
) -> Response:
    """Asks every running sweep with the trial to stop it, or to go on with one that ended so."""
    trial_action = _validated(TrialAction, sent)
    accepted = actions.ask_trial(service.store, snapshot, trial_id, trial_action.action)
    return _accepted_response(request, accepted, f"/view/trials/{quote(trial_id)}")


def _validated(model: type[Model], sent: dict[str, Any]) -> Model:
    try:
        return model.model_validate(sent)
    except ValidationError as error:
        details = [{**detail, "loc": ("body", *detail["loc"])} for detail in error.errors()]
        raise RequestValidationError(details) from error


def _accepted_response(request: Request, accepted: Accepted, page: str) -> Response:
    """202 with where to look; a form's sender goes back to the page."""
    if media_of(request) == FORM:
        referring_path = path_in(request.headers.get("referer"))
        return RedirectResponse(
            local_address_or(referring_path, public_address(request, page)), 303
        )
    address = public_address(request, quote(accepted.see))
    body = accepted.model_copy(update={"see": address}).model_dump()
    return JSONResponse(body, 202, headers={"Location": address})
