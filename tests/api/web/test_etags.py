"""Answers that are given again: the same bytes, until the store changes, and not to everyone."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import httpx2
import pytest
from starlette.responses import Response

from api.web.etags import MOST_BYTES, Answers
from sweep.store.store import Store


@pytest.mark.parametrize("coding", ["gzip", "identity"])
@pytest.mark.parametrize("path", ["/results?setting=C_32-32", "/table2", "/results?format=csv"])
def test_the_same_again(http: httpx2.Client, path: str, coding: str) -> None:
    first, again = (http.get(path, headers={"Accept-Encoding": coding}) for _ in range(2))
    assert first.content == again.content
    for name in ("etag", "content-type", "vary", "cache-control", "content-disposition"):
        assert first.headers.get(name) == again.headers.get(name)
    assert again.headers.get("content-encoding", "identity") == coding
    assert first.headers["x-request-id"] != again.headers["x-request-id"]


def test_the_way_to_the_next_page_is_told_again(http: httpx2.Client) -> None:
    first, again = (http.get("/results?limit=4") for _ in range(2))
    assert again.links["next"]["url"] == first.links["next"]["url"]
    assert again.headers["link"].count("rel=") == 1


def test_a_store_that_changed_is_answered_anew(tmp_path: Path, kit: ModuleType) -> None:
    store, who = Store(tmp_path), kit.identity("C_32-32", "sn", 0)
    kit.write_trial(store, who, "running")
    with kit.serving(tmp_path) as http:
        for _ in range(2):
            assert http.get("/results").json()["items"][0]["status"] == "running"
        kit.write_trial(store, who)
        kit.wait_for(lambda: http.get("/results").json()["items"][0]["status"] == "collapsed")


def test_nothing_is_known_without_the_token(tmp_path: Path, kit: ModuleType) -> None:
    kit.write_trial(Store(tmp_path), kit.identity("C_32-32", "sn", 0))
    with kit.serving(tmp_path, token="secret") as http:
        headers = {"Authorization": "Bearer secret"}
        assert [http.get("/results", headers=headers).status_code for _ in range(2)] == [200, 200]
        assert http.get("/results").status_code == 401


def test_only_so_much_is_held() -> None:
    answers = Answers()
    size = MOST_BYTES // 8
    for k in range(12):
        answers.put((f"{k}", True, ""), Response(bytes(size)))
    assert answers.size <= MOST_BYTES
    assert answers.get(("0", True, "")) is None
    assert answers.get(("11", True, "")) is not None
    assert answers.get(("11", False, "")) is None
    answers.put(("big", True, ""), Response(bytes(MOST_BYTES // 4 + 1)))
    assert answers.get(("big", True, "")) is None
