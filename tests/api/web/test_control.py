"""Requests that change something, without a service."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from api.web.access import Tokens
from api.web.control import back_to_page, in_control, validated


def request(*, control: str | None = "c" * 32, headers: Any = (), **state: bool) -> Request:
    app = SimpleNamespace(state=SimpleNamespace(tokens=Tokens(None, control)))
    scope = {
        "type": "http", "method": "POST", "path": "/x", "query_string": b"", "app": app,
        "headers": [(name.encode(), value.encode()) for name, value in headers],
        "server": ("host", 80), "scheme": "http", "root_path": "",
        "state": {"may_control": False, "logged_in": False} | state,
    }  # fmt: skip
    return Request(scope)


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (request(), 401),
        (request(control=None), 403),
        (request(logged_in=True), 403),
        (request(headers=[("authorization", "Bearer x")]), 403),
    ],
)
def test_who_may_not(asked: Request, status: int) -> None:
    with pytest.raises(HTTPException) as refused:
        in_control(asked)
    assert refused.value.status_code == status
    in_control(request(may_control=True))


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    count: int


def test_what_is_wrong_with_a_body_is_named_in_it() -> None:
    assert validated(Body, {"count": "3"}).count == 3
    with pytest.raises(RequestValidationError) as refused:
        validated(Body, {"count": "many"})
    assert [error["loc"] for error in refused.value.errors()] == [("body", "count")]


@pytest.mark.parametrize(
    ("referer", "address"),
    [
        ("http://host/view/trials/t?at=3", "/view/trials/t?at=3"),
        (None, "/view/sweeps/s"),
    ],
)
def test_a_forms_sender_goes_back(referer: str | None, address: str) -> None:
    form = [("content-type", "application/x-www-form-urlencoded"), ("host", "host")]
    headers = [*form, *([("referer", referer)] if referer else [])]
    response = back_to_page(request(headers=headers), "/view/sweeps/s")
    assert response is not None
    assert (response.status_code, response.headers["location"]) == (303, address)
    program = request(headers=[("content-type", "application/json"), ("host", "host")])
    assert back_to_page(program, "/view/sweeps/s") is None
