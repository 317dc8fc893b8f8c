"""Which format a request wants, and tables as files of each."""

from __future__ import annotations

import asyncio
import io
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.responses import StreamingResponse
from starlette.requests import Request

from api.web.formats import (
    ARROW,
    CSV,
    JSON,
    PARQUET,
    _write,
    attachment,
    csv_of,
    file_response,
    negotiate,
)


def request(accept: str | None) -> Request:
    headers = [] if accept is None else [(b"accept", accept.encode())]
    return Request({"type": "http", "headers": headers})


PARTS = [
    pa.table({"text": ["a", "b"], "x": [1.0, 2.0], "y": [0.0, 0.5]}),
    pa.table({"text": ["c,d", None], "x": [math.nan, None], "y": [1.0, 1.5]}),
    pa.table({"text": ["e"], "x": [3.0], "y": [2.0]}),
]


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (None, JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("text/*", CSV),
        ("text/csv;q=0.5, application/json;q=0.4", CSV),
        ("text/csv;q=0.5, */*;q=0.6", JSON),
        ("application/json;q=0, */*;q=0.1", CSV),
        ("application/vnd.apache.parquet", PARQUET),
        ("application/vnd.apache.arrow.stream, text/csv;q=0.9", ARROW),
    ],
)
def test_accept(accept: str | None, media: str) -> None:
    assert negotiate(request(accept), None) == media


def test_the_parameter_wins() -> None:
    assert negotiate(request("text/csv"), "parquet") == PARQUET


def test_csv() -> None:
    table = pa.table(
        {
            "text": ["=1+1", 'a "b", c', None],
            "number": [0.1, math.nan, -1.5],
            "list": pa.array([[1.0, 2.0], [], None]),
            "flag": [True, False, None],
            "at": pa.array([datetime(2026, 3, 1, tzinfo=UTC), None, None]),
        }
    )
    assert csv_of(table).decode().split("\r\n") == [
        "text,number,list,flag,at",
        '\'=1+1,0.1,"[1.0, 2.0]",true,2026-03-01T00:00:00+00:00',
        '"a ""b"", c",nan,[],false,',
        ",-1.5,,,",
        "",
    ]


@pytest.mark.parametrize(
    ("filename", "header"),
    [
        ("demo.matrix.csv", 'attachment; filename="demo.matrix.csv"'),
        ("café.csv", "attachment; filename*=UTF-8''caf%C3%A9.csv"),
        ("实验.parquet", "attachment; filename*=UTF-8''%E5%AE%9E%E9%AA%8C.parquet"),
    ],
)
def test_a_download_has_a_name_in_ascii(filename: str, header: str) -> None:
    assert attachment(filename) == header


async def streamed(response: StreamingResponse) -> bytes:
    parts: list[Any] = [part async for part in response.body_iterator]
    return b"".join(parts)


@pytest.mark.parametrize("media", [CSV, ARROW])
def test_tables_are_streamed_as_they_are_made(media: str) -> None:
    made: list[int] = []

    def tables() -> Iterator[pa.Table]:
        for k, table in enumerate(PARTS):
            made.append(k)
            yield table

    response = file_response(request(None), media, "all", tables)
    assert isinstance(response, StreamingResponse)
    assert made == [0, 1], "not more than is needed to know that there is more than one"
    content = asyncio.run(streamed(response))
    if media == ARROW:
        content = csv_of(pa.ipc.open_stream(content).read_all())
    assert content == csv_of(pa.concat_tables(PARTS))


@pytest.mark.parametrize("media", [CSV, ARROW])
def test_one_table_is_answered_with_its_length(media: str) -> None:
    response = file_response(request(None), media, "one", lambda: [PARTS[0]])
    assert response.headers["content-length"] == str(len(response.body))
    if media == ARROW:
        assert pa.ipc.open_stream(response.body).read_all().equals(PARTS[0])


def test_parquet_has_a_row_group_for_each_table() -> None:
    file = io.BytesIO()
    _write(file, lambda: PARTS)
    stored = pq.ParquetFile(file)
    assert stored.num_row_groups == 3
    assert stored.read()["text"].to_pylist() == ["a", "b", "c,d", None, "e"]
    for k in range(3):
        x, y = (stored.metadata.row_group(k).column(column) for column in (1, 2))
        assert x.statistics is None, "NaN in one of them"
        assert y.statistics.has_min_max
