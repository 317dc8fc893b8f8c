"""Heavy questions are answered once for all who ask, few at a time, and in nobody's way."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import httpx2
import pytest
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from api.paper.table2 import setting_scores
from api.web import workers
from api.web.formats import negotiate
from api.web.service import Service, open_service, tag_curves
from api.web.workers import MOST_RUNNING, Answer, Workers
from sweep.store.store import StoreError
from tests.api.servers import serving, wait_for

CLIENTS = 60
# Threads of the pool for all that is not heavy, as AnyIO has it.
POOL = 40
PROBES = ("/healthz", "/readyz", "/metrics")


class Gate:
    """Holds up a function until it is opened, and counts who came to it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.entered = 0
        self.opened = threading.Event()
        self._lock = threading.Lock()

    def __call__(self, *arguments: Any) -> Any:
        with self._lock:
            self.entered += 1
        assert self.opened.wait(60)
        return self.function(*arguments)


@contextmanager
def crowd(
    http: httpx2.Client, gate: Gate, path: str, clients: int = CLIENTS, **options: Any
) -> Iterator[list[Future[httpx2.Response]]]:
    """So many clients that ask for the path at once; the gate is opened at the end."""
    url = f"{http.base_url}{path}"
    with ThreadPoolExecutor(clients) as pool:
        try:
            yield [pool.submit(httpx2.get, url, timeout=60, **options) for _ in range(clients)]
        finally:
            gate.opened.set()


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> list[Service]:
    """The service of the app that is made next."""
    services: list[Service] = []

    def opened(*arguments: Any) -> Service:
        services.append(open_service(*arguments))
        return services[-1]

    monkeypatch.setattr("api.app.open_service", opened)
    return services


def test_sixty_who_ask_for_a_table_hold_up_nobody(
    filled: Path, service: list[Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(setting_scores)
    monkeypatch.setattr("api.paper.routes.setting_scores", gate)
    with serving(filled) as http:
        wait_for(lambda: http.get("/readyz").status_code == 200)
        with crowd(http, gate, "/table2") as asked:
            wait_for(lambda: service[0].workers.requests == CLIENTS)
            for path in (*PROBES, "/results", "/sweeps", "/"):
                assert http.get(path).status_code == 200
            # Another question about the same table, while the first is being answered.
            assert http.get("/table2?format=latex").status_code == 200
            assert gate.entered == 1
            assert not any(future.done() for future in asked)
        responses = [future.result() for future in asked]
        assert gate.entered == 1
        assert {response.status_code for response in responses} == {200}
        assert len({response.content for response in responses}) == 1
        assert len({response.headers["etag"] for response in responses}) == 1
        assert len({response.headers["x-request-id"] for response in responses}) == CLIENTS
        assert service[0].workers.requests == 0


def test_probes_need_no_thread(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(lambda rows, *arguments: [])
    monkeypatch.setattr("api.results.groups.groups", gate)
    with serving(filled) as http:
        wait_for(lambda: http.get("/readyz").status_code == 200)
        with crowd(http, gate, "/groups?by=method&score=seed") as asked:
            wait_for(lambda: gate.entered == POOL)
            for path in PROBES:
                assert http.get(path).status_code == 200
                assert http.get(f"{path}?typo=1").status_code == 422
            assert http.get("/table2").status_code == 200
            assert gate.entered == POOL
        assert {future.result().status_code for future in asked} == {200}


def test_all_get_the_304_or_the_refusal_of_the_one(
    filled: Path, service: list[Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(filled) as http:
        wait_for(lambda: http.get("/readyz").status_code == 200)
        etag = http.get("/claims").headers["etag"]
        for headers, path, status in (
            ({"If-None-Match": etag}, "/claims", 304),
            ({}, "/table2?format=odd", 406),
        ):
            gate = Gate(tag_curves if status == 304 else negotiate)
            place = "tag_curves" if status == 304 else "formats.negotiate"
            monkeypatch.setattr(f"api.paper.routes.{place}", gate)
            with crowd(http, gate, path, clients=8, headers=headers) as asked:
                wait_for(lambda: service[0].workers.requests == 8)
            responses = [future.result() for future in asked]
            monkeypatch.undo()
            assert gate.entered == 1
            assert {response.status_code for response in responses} == {status}
            tags = {response.headers.get("etag") for response in responses}
            assert tags == {etag if status == 304 else None}


def test_beyond_the_bound_a_client_is_told_to_come_again(
    filled: Path, service: list[Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(setting_scores)
    monkeypatch.setattr("api.paper.routes.setting_scores", gate)
    monkeypatch.setattr(workers, "MOST_REQUESTS", 3)
    with serving(filled) as http:
        wait_for(lambda: http.get("/readyz").status_code == 200)
        with crowd(http, gate, "/table2", clients=3) as asked:
            wait_for(lambda: service[0].workers.requests == 3)
            refused = http.get("/claims")
            assert refused.status_code == 503
            assert refused.headers["retry-after"] == workers.RETRY_SECONDS
            assert refused.headers["content-type"] == "application/problem+json"
            assert http.get("/results").status_code == 200
        assert {future.result().status_code for future in asked} == {200}
        assert http.get("/claims").status_code == 200


def test_a_store_that_cannot_be_reached_is_asked_again_later(
    filled: Path, service: list[Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(filled) as http:
        wait_for(lambda: http.get("/readyz").status_code == 200)
        (trial,) = http.get("/results?status=collapsed&limit=1").json()["items"]
        path = f"/trials/{trial['trial_id']}/outputs"
        for code, status in ((errno.ETIMEDOUT, 503), (errno.EACCES, 500)):
            failure = StoreError(code, "cannot read")
            monkeypatch.setattr(service[0].store, "read", Mock(side_effect=failure))
            response = http.get(path)
            assert response.status_code == status
            assert ("retry-after" in response.headers) == (status == 503)
            monkeypatch.undo()
        assert http.get(path).status_code == 200


def answer_of(name: str) -> Answer:
    return Answer(Response(name), None, {})


def test_different_questions_are_answered_side_by_side_up_to_a_bound() -> None:
    gate = Gate(answer_of)

    async def ask() -> list[bytes]:
        pool = Workers()
        names = [f"{k}" for k in range(MOST_RUNNING + 2)]
        tasks = [
            asyncio.create_task(pool.answer(name, lambda name=name: gate(name)))
            for name in [*names, *names]
        ]
        while gate.entered < MOST_RUNNING or pool.requests < len(tasks):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert gate.entered == MOST_RUNNING
        gate.opened.set()
        answers = [await task for task in tasks]
        assert gate.entered == len(names)
        assert pool.requests == 0
        return [bytes(answer.response.body) for answer in answers if answer.response]

    names = [f"{k}".encode() for k in range(MOST_RUNNING + 2)]
    assert asyncio.run(ask()) == [*names, *names]


def test_who_waits_is_answered_if_who_asked_first_goes_away() -> None:
    gate = Gate(answer_of)

    async def ask() -> None:
        pool = Workers()
        first, second = (
            asyncio.create_task(pool.answer("x", lambda: gate("x"))) for _ in range(2)
        )
        while gate.entered < 1 or pool.requests < 2:
            await asyncio.sleep(0.01)
        first.cancel()
        while pool.requests > 1:
            await asyncio.sleep(0.01)
        gate.opened.set()
        assert (await second).response is not None
        assert gate.entered == 1

    asyncio.run(ask())


def test_the_next_question_is_computed_anew() -> None:
    gate = Gate(answer_of)
    gate.opened.set()

    async def ask() -> None:
        pool = Workers()
        for _ in range(2):
            await pool.answer("x", lambda: gate("x"))
        pool.requests = workers.MOST_REQUESTS
        with pytest.raises(HTTPException):
            await pool.answer("x", lambda: gate("x"))

    asyncio.run(ask())
    assert gate.entered == 2
