"""The service asked inside the process: the bytes that a client gets."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2
import pytest

from api.publish.local_service import LocalService, with_query
from api.publish.part import SweepPart
from sweep.store.store import Store

PATHS = (
    "/table2", "/claims?format=csv", "/results?sweep=small&format=parquet", "/paper",
    "/survival", "/view/sweeps/small", "/trials/nothing",
)  # fmt: skip


def test_it_answers_as_a_client_hears_it(small: Path, service: httpx2.Client) -> None:
    local = LocalService(SweepPart(small, "small"))
    for path in PATHS:
        answer = asyncio.run(local.get(path))
        heard = service.get(path)
        assert (answer.status, answer.media) == (
            heard.status_code,
            heard.headers["content-type"].partition(";")[0],
        )
        if heard.status_code == 200:
            assert answer.body == heard.content, path


def test_nothing_is_written(small: Path) -> None:
    def files() -> dict[str, int]:
        return {str(p): p.stat().st_mtime_ns for p in small.rglob("*") if p.is_file()}

    before = files()
    asyncio.run(LocalService(SweepPart(small, "small")).get("/results"))
    assert files() == before


def test_it_is_asked_for_what_is_not_there(tmp_path: Path, filled: Path) -> None:
    part = SweepPart(filled, "demo")
    missing = Store(tmp_path / "none")
    part.fs, part.base = missing.fs, missing.base
    assert LocalService(part).snapshot.exists is False


@pytest.mark.parametrize(
    ("query", "address"),
    [({}, "/x"), ({"a": 1, "b": None, "c": ""}, "/x?a=1"), ({"a": "ü &"}, "/x?a=%C3%BC+%26")],
)
def test_parameters_without_a_value_are_left_out(query: dict[str, object], address: str) -> None:
    assert with_query("/x", query) == address
