"""The response cache: the same bytes until the store changes, and not to everyone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2
import pytest
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from api.web import etags
from api.web.etags import MOST_BYTES, ResponseCache, ResponseCaching
from sweep.store.store import Store
from tests.api.servers import result_items, serving, wait_for
from tests.api.stores import identity, write_trial


@pytest.mark.parametrize("coding", ["gzip", "identity"])
@pytest.mark.parametrize("path", ["/results?setting=C_32-32", "/table2", "/results?format=csv"])
def test_a_cached_response_is_the_same(http: httpx2.Client, path: str, coding: str) -> None:
    first, again = (http.get(path, headers={"Accept-Encoding": coding}) for _ in range(2))
    assert first.content == again.content
    for name in ("etag", "content-type", "vary", "cache-control", "content-disposition"):
        assert first.headers.get(name) == again.headers.get(name)
    assert again.headers.get("content-encoding", "identity") == coding
    assert first.headers["x-request-id"] != again.headers["x-request-id"]


def test_a_cached_response_links_the_next_page(http: httpx2.Client) -> None:
    first, again = (http.get("/results?limit=4") for _ in range(2))
    assert again.links["next"]["url"] == first.links["next"]["url"]
    assert again.headers["link"].count("rel=") == 1


def test_a_store_that_changed_is_answered_anew(tmp_path: Path) -> None:
    store, who = Store(tmp_path), identity("C_32-32", "sn", 0)
    write_trial(store, who, "running")
    with serving(tmp_path) as http:
        for _ in range(2):
            assert http.get("/results").json()["items"][0]["status"] == "running"
        write_trial(store, who)
        wait_for(lambda: http.get("/results").json()["items"][0]["status"] == "collapsed")


def test_no_cached_response_without_the_token(tmp_path: Path) -> None:
    write_trial(Store(tmp_path), identity("C_32-32", "sn", 0))
    with serving(tmp_path, token="secret") as http:
        headers = {"Authorization": "Bearer secret"}
        assert [http.get("/results", headers=headers).status_code for _ in range(2)] == [200, 200]
        assert http.get("/results").status_code == 401


def test_the_cache_is_bounded() -> None:
    responses = ResponseCache()
    size = MOST_BYTES // 8
    for k in range(12):
        responses.put((f"{k}", True, ""), Response(bytes(size)))
    assert responses.size <= MOST_BYTES
    assert responses.get(("0", True, "")) is None
    assert responses.get(("11", True, "")) is not None
    assert responses.get(("11", False, "")) is None
    responses.put(("big", True, ""), Response(bytes(MOST_BYTES // 4 + 1)))
    assert responses.get(("big", True, "")) is None


@pytest.mark.parametrize("size", [1000, 5000])
def test_a_stream_that_is_too_big_is_not_collected(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(etags, "MOST_BYTES_OF_ONE", 4000)
    responses, sent = ResponseCache(), []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["headers"] = {"ETag": "one"}
        parts = iter([b"x" * 1000] * (size // 1000))
        await StreamingResponse(parts, media_type="text/csv")(scope, receive, send)

    async def send(message: Message) -> None:
        sent.append(message.get("body", b""))

    async def receive() -> Message:
        await asyncio.sleep(60)
        return {}

    scope = {"type": "http", "headers": [], "state": {}}
    asyncio.run(ResponseCaching(app, responses)(scope, receive, send))
    assert b"".join(sent) == b"x" * size
    cached = responses.get(("one", False, ""))
    assert (None if cached is None else cached.body) == (b"x" * size if size < 4000 else None)


@pytest.mark.parametrize(
    "path",
    ["/results?group=C", "/sweeps", "/sweeps/demo", "/table2", "/trials/{id}", "/paper",
     "/trials/{id}/evaluations", "/trials/{id}/spectra?layer=1", "/trials/{id}/samples",
     "/trials/{id}/outputs?images=test", "/results?format=parquet", "/results?format=arrow",
     "/figures/seeds", "/figures/trials/{id}/spectra"],
)  # fmt: skip
def test_etags(http: httpx2.Client, path: str) -> None:
    path = path.format(id=result_items(http, status="collapsed")[0]["trial_id"])
    first = http.get(path)
    assert first.status_code == 200
    again = http.get(path, headers={"If-None-Match": f'"other", {first.headers["etag"]}'})
    assert again.status_code == 304
    assert again.content == b""
    assert again.headers["etag"] == first.headers["etag"]
    assert http.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_an_etag_is_of_query_and_media_type(http: httpx2.Client) -> None:
    addresses = ["/results", "/results?limit=3", "/results?format=csv", "/results?format=parquet"]
    tags = {http.get(address).headers["etag"] for address in addresses}
    tags.add(http.get("/results", headers={"Accept": "text/csv"}).headers["etag"])
    assert len(tags) == 5


def test_the_order_of_a_repeated_parameter_counts(http: httpx2.Client) -> None:
    etags = set()
    for fields in (["seed", "method"], ["method", "seed"]):
        response = http.get(f"/results?fields={fields[0]}&limit=3&fields={fields[1]}")
        assert [name for name in response.json()["items"][0] if name in fields] == fields
        etags.add(response.headers["etag"])
    assert len(etags) == 2


def test_the_order_of_parameters_does_not_count(http: httpx2.Client) -> None:
    first, second = http.get("/results?limit=3&seed=0"), http.get("/results?seed=0&limit=3")
    assert first.headers["etag"] == second.headers["etag"]
