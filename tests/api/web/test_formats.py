"""CSV cells, and which format a request wants."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from starlette.requests import Request

from api.web.formats import CSV, JSON, PARQUET, attachment, csv_of, negotiate


def request(accept: str | None) -> Request:
    headers = [] if accept is None else [(b"accept", accept.encode())]
    return Request({"type": "http", "headers": headers})


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
