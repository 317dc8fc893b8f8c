"""Requests that change something: who may send one, what its body is, where its sender goes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from api.reading.snapshot import log
from api.web import problems
from api.web.access import local_address_or
from api.web.addresses import path_in, public_address
from api.web.bodies import FORM, JSON, media_of

Model = TypeVar("Model", bound=BaseModel)


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


CONTROL = [Depends(in_control)]
CONTROL_RESPONSES: dict[int | str, dict[str, Any]] = {
    303: {"description": "A form was sent: back to the page that it is on"},
    **{
        status: {"model": problems.Problem, "description": description}
        for status, description in {
            400: "No such body",
            401: "No token",
            403: "A token that does not control, or no control token at all",
            413: "Content Too Large",
            415: "Unsupported Media Type",
        }.items()
    },
}


def request_bodies(model: type[BaseModel]) -> dict[str, Any]:
    """Describes a body of the model, as JSON or as a form, for a route's `openapi_extra`."""
    schema = model.model_json_schema()
    content = {media: {"schema": schema} for media in (JSON, FORM)}
    return {"requestBody": {"required": True, "content": content}}


def validated(model: type[Model], sent: dict[str, Any]) -> Model:
    """The body as the model. Raises RequestValidationError, which is answered with 422."""
    try:
        return model.model_validate(sent)
    except ValidationError as error:
        details = [{**detail, "loc": ("body", *detail["loc"])} for detail in error.errors()]
        raise RequestValidationError(details) from error


@contextmanager
def writing(what: str, instead: str) -> Iterator[None]:
    """Raises HTTPException, 503 with what to do `instead`, if the store takes no write of it."""
    try:
        yield
    except OSError as error:
        log.warning("%s could not be written: %s", what, error)
        raise HTTPException(
            503,
            f"the service cannot write to the store ({error.strerror or error}): {instead}",
            headers={"Retry-After": "60"},
        ) from error


def back_to_page(request: Request, page: str) -> Response | None:
    """Sends a form's sender back to the page that it is on, else to `page`; None for a program."""
    if media_of(request) != FORM:
        return None
    referring_path = path_in(request.headers.get("referer"))
    return RedirectResponse(local_address_or(referring_path, public_address(request, page)), 303)
