"""Answers heavy questions in threads of their own, so that light ones and probes never wait.

Requests with the same question at the same time wait for one answer, and hold no thread. Different
ones are answered side by side, a few at a time. Beyond a bound a request is refused: its client
asks again, rather than wait in a queue that only grows.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import anyio
import anyio.to_thread
from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from api.web.downloads import PartResponse
from api.web.formats import json_response

# Python computes one at a time: more would only share it. Some wait for the store meanwhile.
MOST_RUNNING = 4
# Of requests that run or wait; the figures of a page are some ten.
MOST_REQUESTS = 200
RETRY_SECONDS = "2"
# Of statements of SQL, each of which takes a process: two cores are busy with two.
RUNNING_QUERIES, MOST_QUERIES = 2, 20
# Headers that an answer depends on, beside the address and the client's rights.
HEADERS = ("accept", "accept-encoding", "if-none-match", "if-range", "range")
RIGHTS = ("trusted", "may_control", "logged_in", "can_log_in")


@dataclass(frozen=True, slots=True)
class Answer:
    """A response or an error, and the headers that every response to the question gets."""

    response: Response | None
    error: Exception | None
    headers: Mapping[str, str]


class Workers:
    """Used in the thread of the event loop alone, and so without a lock."""

    def __init__(self, running: int = MOST_RUNNING, most_requests: int | None = None) -> None:
        self.requests = 0
        self._most_requests = most_requests
        self._answers: dict[Hashable, asyncio.Task[Answer]] = {}
        self._limiter = anyio.CapacityLimiter(running)

    async def answer(self, question: Hashable, compute: Callable[[], Answer]) -> Answer:
        """The answer to the question, which `compute` gives unless it is being computed.

        Raises HTTPException (503) if too many requests are waiting.
        """
        if self.requests >= (self._most_requests or MOST_REQUESTS):
            reason = f"{self.requests} requests wait for answers as this one: ask again later"
            raise HTTPException(503, reason, headers={"Retry-After": RETRY_SECONDS})
        self.requests += 1
        try:
            task = self._answers.get(question)
            if task is None:
                task = asyncio.create_task(self._computed(question, compute))
                self._answers[question] = task
            # The others wait on if the client of this request goes away.
            return await asyncio.shield(task)
        finally:
            self.requests -= 1

    async def _computed(self, question: Hashable, compute: Callable[[], Answer]) -> Answer:
        try:
            return await anyio.to_thread.run_sync(compute, limiter=self._limiter)
        finally:
            del self._answers[question]


def heavy(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """Decorates a synchronous route, of a snapshot, whose answer takes long: the workers run it.

    All that the route's answer depends on has to be in `_question`.
    """
    return _by_workers("workers", endpoint)


def bounded_query(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """Decorates such a route whose answer is a process's: it keeps no heavy question waiting."""
    return _by_workers("queries", endpoint)


def _by_workers(name: str, endpoint: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(endpoint)
    async def answered(request: Request, **arguments: Any) -> Response:
        workers: Workers = getattr(request.app.state.service, name)
        compute = functools.partial(_compute, endpoint, request, arguments)
        question = _question(endpoint, request, arguments["snapshot"])
        answer = await workers.answer(question, compute)
        request.state.headers = dict(answer.headers)
        if answer.error is not None:
            raise answer.error
        assert answer.response is not None
        return _copied(answer.response)

    return answered


def _question(endpoint: Callable[..., Any], request: Request, snapshot: object) -> Hashable:
    state, headers = request.state, request.headers
    return (
        endpoint,
        snapshot,
        request.method,
        str(request.url),
        request.scope.get("root_path", ""),
        tuple(tuple(headers.getlist(name)) for name in HEADERS),
        tuple(getattr(state, name, None) for name in RIGHTS),
    )


def _compute(
    endpoint: Callable[..., Any], request: Request, arguments: Mapping[str, Any]
) -> Answer:
    response, error = None, None
    try:
        result = endpoint(request=request, **arguments)
        response = json_response(result) if isinstance(result, BaseModel) else result
    except Exception as raised:
        error = raised
    return Answer(response, error, getattr(request.state, "headers", {}))


def _copied(response: Response) -> Response:
    """A response of the same content: what is sent adds headers to its own."""
    if isinstance(response, PartResponse):
        return response.again()
    copied = Response(response.body, response.status_code)
    copied.raw_headers = list(response.raw_headers)
    return copied
