from __future__ import annotations

import asyncio
import json

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from api.web.in_process import ask


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope, receive)
    seen = {
        "method": request.method,
        "path": request.url.path,
        "query": request.url.query,
        "host": request.headers["host"],
        "token": request.headers.get("authorization"),
        "body": (await request.body()).decode(),
    }
    await JSONResponse(seen, 418)(scope, receive, send)


def test_a_request_arrives_as_it_was_sent() -> None:
    question = ask(
        echo, "/trials/a%2Fb?x=1&x=2", method="POST", headers={"authorization": "t"}, body=b"{}"
    )
    answer = asyncio.run(question)
    assert (answer.status, answer.media) == (418, "application/json")
    assert json.loads(answer.body) == {
        "method": "POST", "path": "/trials/a/b", "query": "x=1&x=2", "host": "127.0.0.1",
        "token": "t", "body": "{}",
    }  # fmt: skip


def test_a_media_type_is_without_parameters() -> None:
    assert asyncio.run(ask(Response("é", media_type="text/plain"), "/")).media == "text/plain"
