"""Parses bodies of requests: a few names and values, as JSON or as a page's form."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
MAX_BYTES = 16_384
MAX_FIELDS = 256


def media_of(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def fields(request: Request) -> dict[str, Any]:
    """The names and values of the body. Raises HTTPException for any other body."""
    media = media_of(request)
    if media not in (JSON, FORM):
        raise HTTPException(415, f"send {JSON} or {FORM}, not {media[:80] or 'nothing'!r}")
    content = await _content(request)
    try:
        if media == FORM:
            return _by_name(parse_qsl(content.decode(), True, True, max_num_fields=MAX_FIELDS))
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"the body is not {media}: {str(error)[:200]}") from error
    if not isinstance(document, dict):
        raise HTTPException(400, 'the body is no JSON object such as {"action": "stop"}')
    return document


def _by_name(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The values of a form; a name that comes more than once, as of boxes, has a list of them."""
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return {name: each if len(each) > 1 else each[0] for name, each in values.items()}


async def _content(request: Request) -> bytes:
    content = b""
    try:
        async for part in request.stream():
            content += part
            if len(content) > MAX_BYTES:
                raise HTTPException(413, f"the body is longer than {MAX_BYTES} bytes")
    except ClientDisconnect as error:
        raise HTTPException(400, "the body did not arrive") from error
    return content


Fields = Annotated[dict[str, Any], Depends(fields)]
