"""Clients of a service and listeners to its events, in one process; soak.py starts it.

Each client asks a question of questions.py, checks the answer, and pauses for a second to three;
now and then it asks again for what it has, by its ETag. Each listener follows a stream of events.
Lines of JSON on stdout say what is wrong, as it is seen, and every ten seconds how many answers
there were and how long they took.

    python tests/benchmarks/clients.py /tmp/store --port 8000 --trials 11200 --seconds 60
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import random
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import questions
import store
from checks import PROBLEM, Answer, Facts, Question, facts_of
from writer import odd_of

CLIENTS, STREAMS = 50, 100
# Between two questions of a client, in s.
PAUSES = (1.0, 3.0)
# Of questions that are asked again with the ETag of their answer.
AGAIN = 0.25
PATIENCE_SECONDS, TRIES = 60.0, 3
# A quiet connection is left before the service leaves it, which waits for 5 s.
QUIET_SECONDS = 2.0
TICK_SECONDS = 10.0
# Bodies of which it is remembered what their ETag stood for.
REMEMBERED = 4000
FOLLOWED = ("", "", "everything", "fig8")


@dataclass(slots=True)
class Tally:
    """What there was so far; `times` are those since the last line, in ms."""

    answers: int = 0
    not_modified: int = 0
    events: int = 0
    times: list[float] = field(default_factory=list)
    by_status: Counter[int] = field(default_factory=Counter)
    slowest: tuple[float, str] = (0.0, "")
    bodies: OrderedDict[tuple[str, str], str] = field(default_factory=OrderedDict)


async def converse(
    http: httpx2.AsyncClient, facts: Facts, tally: Tally, seed: int, deadline: float
) -> None:
    """One client: questions and pauses until the deadline."""
    rng = random.Random(seed)
    await asyncio.sleep(rng.uniform(0, PAUSES[1]))
    while time.monotonic() < deadline:
        question = questions.ask(facts, rng)
        etag = await put(http, question, tally)
        if etag and rng.random() < AGAIN:
            await asyncio.sleep(rng.uniform(*PAUSES))
            await put(http, question, tally, etag)
        await asyncio.sleep(rng.uniform(*PAUSES))


async def put(
    http: httpx2.AsyncClient, question: Question, tally: Tally, etag: str | None = None
) -> str | None:
    """Asks and checks; returns the answer's ETag. What is wrong is said."""
    headers = {"If-None-Match": etag} if etag else {}
    began = time.perf_counter()
    try:
        response = await _get(http, question.path, headers)
    except httpx2.HTTPError as error:
        _say({"wrong": question.path, "reason": f"no answer: {type(error).__name__} {error}"})
        return None
    taken = 1000 * (time.perf_counter() - began)
    tally.answers += 1
    tally.by_status[response.status_code] += 1
    tally.times.append(taken)
    tally.slowest = max(tally.slowest, (taken, question.path))
    try:
        _check(question, response, tally, etag)
    except (AssertionError, ValueError, LookupError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        request_id = response.headers.get("x-request-id", "")
        _say({"wrong": question.path, "reason": reason[:600], "request_id": request_id})
        return None
    return response.headers.get("etag")


async def _get(http: httpx2.AsyncClient, path: str, headers: dict[str, str]) -> httpx2.Response:
    """Asks on another connection if the service closed a quiet one just then, as browsers do."""
    for _ in range(TRIES - 1):
        with contextlib.suppress(httpx2.ReadError, httpx2.RemoteProtocolError):
            return await http.get(path, headers=headers)
    return await http.get(path, headers=headers)


def _check(question: Question, response: httpx2.Response, tally: Tally, etag: str | None) -> None:
    new_etag = response.headers.get("etag")
    if response.status_code == 304:
        assert etag is not None, "304 to a client that has nothing"
        assert new_etag == etag, f"304 with another ETag, {new_etag} for {etag}"
        assert not response.content, "304 with a body"
        tally.not_modified += 1
        return
    if response.status_code == 500 and question.unreadable:
        says = response.json()["detail"]
        assert any(f"{file} cannot be read" in says for file in question.unreadable), says
        return
    media = response.headers["content-type"].partition(";")[0]
    says = response.json().get("detail", "") if media == PROBLEM else media
    assert response.status_code == question.status, f"{response.status_code}: {says}"
    assert media == question.media, f"{media} for {question.media}"
    question.check(Answer(response.status_code, media, response.content))
    if new_etag:
        _check_etag(question.path, new_etag, response.content, tally)


def _check_etag(path: str, etag: str, body: bytes, tally: Tally) -> None:
    """An ETag stands for one body, whoever gets it."""
    digest = hashlib.sha256(body).hexdigest()
    before = tally.bodies.setdefault((path, etag), digest)
    if len(tally.bodies) > REMEMBERED:
        tally.bodies.popitem(last=False)
    assert before == digest, f"two bodies of one ETag, {etag}"


async def listen(
    http: httpx2.AsyncClient, name: str, members: frozenset[str], tally: Tally
) -> None:
    """Follows the store, or a sweep: events are whole, and of its trials alone."""
    path = f"/sweeps/{name}/events" if name else "/events"
    while True:
        try:
            async for event in _events(http, path):
                tally.events += 1
                data = json.loads(event)
                assert data["snapshot"], "no snapshot"
                assert not name or {*data["sweeps"]} <= {name}, f"sweeps {data['sweeps']}"
                assert {*data["changed"]} <= members, f"trials {data['changed'][:5]}"
            reason = "the stream ended"
        except (httpx2.HTTPError, AssertionError, ValueError, LookupError) as error:
            reason = f"{type(error).__name__}: {error}"
        _say({"wrong": path, "reason": reason[:600]})
        await asyncio.sleep(2)


async def _events(http: httpx2.AsyncClient, path: str) -> AsyncIterator[str]:
    """Yields the data of each event."""
    async with http.stream("GET", path) as response:
        assert response.status_code == 200, f"{response.status_code}"
        async for line in response.aiter_lines():
            if line.startswith("data:"):
                yield line.removeprefix("data:")


async def report(tally: Tally, deadline: float) -> None:
    """Says every ten seconds, and at the end, what there was."""
    while (left := deadline - time.monotonic()) > 0:
        await asyncio.sleep(min(TICK_SECONDS, left))
        times, tally.times = sorted(tally.times), []
        _say(
            {
                "answers": tally.answers,
                "not_modified": tally.not_modified,
                "events": tally.events,
                "statuses": dict(tally.by_status),
                "slowest": tally.slowest,
                "times": [round(each, 1) for each in times],
            }
        )


async def run(root: Path, port: int, trials: int, seconds: float) -> None:
    """All clients and listeners for so long."""
    configs = store.configurations(trials)
    facts = facts_of(root, configs, odd_of(configs))
    plans = store.sweeps(configs)
    members = {name: frozenset(c.trial_id for c in plans[name]) for name in {*FOLLOWED} - {""}}
    members[""] = frozenset(facts.ids)
    tally, deadline = Tally(), time.monotonic() + seconds
    base = f"http://127.0.0.1:{port}"
    many = httpx2.Limits(max_connections=CLIENTS + STREAMS, keepalive_expiry=QUIET_SECONDS)
    async with (
        httpx2.AsyncClient(base_url=base, limits=many, timeout=PATIENCE_SECONDS) as http,
        httpx2.AsyncClient(base_url=base, limits=many, timeout=PATIENCE_SECONDS) as live,
        asyncio.TaskGroup() as group,
    ):
        followed = [FOLLOWED[k % len(FOLLOWED)] for k in range(STREAMS)]
        listeners = [
            group.create_task(listen(live, name, members[name], tally)) for name in followed
        ]
        clients = [
            group.create_task(converse(http, facts, tally, seed, deadline))
            for seed in range(CLIENTS)
        ]
        group.create_task(report(tally, deadline))
        await asyncio.wait(clients)
        for listener in listeners:
            listener.cancel()


def _say(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)  # noqa: T201 - read by soak.py


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("root", type=Path, help="the store of store.py that is served")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--trials", type=int, required=True, help="that the store was made with")
    parser.add_argument("--seconds", type=float, required=True)
    args = parser.parse_args()
    asyncio.run(run(args.root, args.port, args.trials, args.seconds))


if __name__ == "__main__":
    main()
