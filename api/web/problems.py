"""Errors as RFC 9457 has them: `application/problem+json`, whatever went wrong."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Protocol

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from api.reading.snapshot import log
from sweep.store.retry import trouble
from sweep.store.store import StoreError
from trainer.config.lookup import UsageError

MEDIA_TYPE = "application/problem+json"
# After a store could not be reached.
RETRY_SECONDS = "5"


class Problem(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    errors: list[dict[str, Any]] | None = Field(
        default=None, description="invalid parameters, one by one"
    )


class BadCursor(ValueError):
    """The cursor is none of this list's."""


RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": HTTPStatus(status).phrase}
    for status in (404, 422, 500, 503)
}


def problem(request: Request, status: int, detail: str, **members: Any) -> Response:
    """The response; `members` are further ones of the problem."""
    body = Problem(
        type="about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=request.url.path,
        request_id=getattr(request.state, "request_id", ""),
        **members,
    )
    # Also on an error outside the guard, which gives every other response its id.
    headers = {"X-Request-ID": body.request_id}
    content = body.model_dump(exclude_none=True)
    return JSONResponse(content, status, headers, MEDIA_TYPE)


class Refuse(Protocol):
    """Makes the response to an error: a problem, or a page for a person."""

    def __call__(self, request: Request, status: int, detail: str, **members: Any) -> Response: ...


def install(app: FastAPI, refuse: Refuse) -> None:
    """Handlers that answer every error but HTTP's own by `refuse`.

    They are asynchronous, to need no thread: an error has to be told also when all are at work.
    """

    async def invalid(request: Request, error: Any) -> Response:
        errors = [
            {
                "parameter": ".".join(map(str, e["loc"][1:])),
                "says": e["msg"],
                "value": str(e["input"]),
            }
            for e in error.errors()
        ]
        detail = "; ".join(f"{e['parameter']}: {e['says']} (got {e['value']!r})" for e in errors)
        return refuse(request, 422, detail, errors=errors)

    async def unreadable(request: Request, error: Exception) -> Response:
        log.warning("%s", error)
        if not isinstance(error, StoreError) or trouble(error) is None:
            return refuse(request, 500, str(error))
        response = refuse(request, 503, str(error))
        response.headers["Retry-After"] = RETRY_SECONDS
        return response

    async def unusable(request: Request, error: Exception) -> Response:
        return refuse(request, 400 if isinstance(error, BadCursor) else 422, str(error))

    async def unexpected(request: Request, error: Exception) -> Response:
        # The traceback goes to the log; the answer must not carry what it may contain.
        log.error(
            "%s %s failed, request %s", request.method, request.url.path, request.state.request_id
        )
        return refuse(request, 500, "the service failed; its log says why under this id")

    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(UsageError, unusable)
    app.add_exception_handler(BadCursor, unusable)
    app.add_exception_handler(StoreError, unreadable)
    app.add_exception_handler(Exception, unexpected)


def describe(app: FastAPI) -> None:
    """Corrects the media type of problems in the description: FastAPI gives them the route's.

    The first call makes it and takes a while; every request checks its parameters against it.
    """
    for operations in app.openapi()["paths"].values():
        for operation in operations.values():
            for response in operation["responses"].values():
                content = response.get("content", {})
                for media, media_schema in list(content.items()):
                    if media_schema.get("schema", {}).get("$ref", "").endswith("/Problem"):
                        content[MEDIA_TYPE] = content.pop(media)
