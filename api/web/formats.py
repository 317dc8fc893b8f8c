"""Negotiates the format of a table, and answers it as JSON, CSV, Parquet or Arrow."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, BinaryIO, Literal, get_args, get_origin
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
from fastapi import Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from api.web.downloads import download_response
from sweep.store.tables import columns_without_nan, csv_of

JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"
ARROW = "application/vnd.apache.arrow.stream"
# Weights: no smaller when they are compressed.
BYTES = "application/octet-stream"
FORMATS = {"json": JSON, "csv": CSV, "parquet": PARQUET, "arrow": ARROW}
# A stream of Arrow's ends with the length of no further message.
END_OF_ARROW = b"\xff\xff\xff\xff\0\0\0\0"

Tables = Callable[[], Iterable[pa.Table]]


def negotiate(request: Request, format: str | None) -> str:
    """The media type by `?format=`, else by Accept, JSON where either will do.

    Raises a 406 with the types that there are.
    """
    if format is not None:
        if format in FORMATS:
            return FORMATS[format]
        raise HTTPException(406, f"no format {format!r}; there are: {', '.join(FORMATS)}")
    accept = request.headers.get("accept") or "*/*"
    ranges = [_media_range(part) for part in accept.split(",")]
    quality = {media: _quality(media, ranges) for media in FORMATS.values()}
    best = max(quality, key=lambda media: quality[media])
    if quality[best] <= 0:
        raise HTTPException(406, f"cannot answer as {accept}; there are: {', '.join(quality)}")
    return best


def _media_range(text: str) -> tuple[str, float]:
    name, *parameters = (part.strip() for part in text.split(";"))
    value = next((p[2:] for p in parameters if p.startswith("q=")), "1")
    try:
        return name.lower(), float(value)
    except ValueError:
        return name.lower(), 0.0


def _quality(media: str, ranges: list[tuple[str, float]]) -> float:
    """The quality of the most specific range that covers the type, else 0 (RFC 9110, 12.5.1)."""
    by_range = dict(ranges)
    for name in (media, f"{media.split('/')[0]}/*", "*/*"):
        if name in by_range:
            return by_range[name]
    return 0.0


def json_response(model: BaseModel) -> Response:
    """Serialises the model directly: FastAPI would validate it again in a thread of its own, a
    third of the time that a curve takes."""
    return Response(model.__pydantic_serializer__.to_json(model), media_type=JSON)


def json_or_file(
    request: Request,
    media: str,
    name: str,
    model: Callable[[], BaseModel],
    table: Callable[[], pa.Table],
) -> Response:
    """The model as JSON, or the table as a file of that name; the other one is not made."""
    if media == JSON:
        return json_response(model())
    return file_response(request, media, name, functools.cache(lambda: [table()]))


def file_response(request: Request, media: str, name: str, tables: Tables) -> Response:
    """A table as a CSV, Parquet or Arrow file of that name, made table by table of `tables`.

    These have one schema and are one at least; more than one are streamed as they are made. An
    error in the middle of that breaks the transfer, so that nobody takes a part for the whole.
    """
    ending = next(ending for ending, of_media in FORMATS.items() if of_media == media)
    headers = {"Content-Disposition": attachment(f"{name}.{ending}")}
    if media == PARQUET:
        return download_response(request, media, headers, lambda file: _write(file, tables))
    parts_of = _csv_parts if media == CSV else _arrow_parts
    made = iter(tables())
    first = list(itertools.islice(made, 2))
    if len(first) == 1:
        return Response(b"".join(parts_of(first)), headers=headers, media_type=media)
    parts = parts_of(itertools.chain(first, made))
    return StreamingResponse(parts, headers=headers, media_type=media)


def _csv_parts(tables: Iterable[pa.Table]) -> Iterator[bytes]:
    for k, table in enumerate(tables):
        content = csv_of(table)
        yield content if k == 0 else content.partition(b"\r\n")[2]


def _arrow_parts(tables: Iterable[pa.Table]) -> Iterator[bytes]:
    for k, table in enumerate(tables):
        if k == 0:
            yield table.schema.serialize().to_pybytes()
        yield from (batch.serialize().to_pybytes() for batch in table.to_batches())
    yield END_OF_ARROW


def _write(file: BinaryIO, tables: Tables) -> None:
    """Writes a Parquet file with a row group for each table, made twice: first to look for NaN."""
    statistics: Any = columns_without_nan(tables())
    made = iter(tables())
    first = next(made)
    with pq.ParquetWriter(file, first.schema, write_statistics=statistics) as writer:
        for table in itertools.chain([first], made):
            writer.write_table(table)


def attachment(filename: str) -> str:
    """Content-Disposition of a download: RFC 6266, with RFC 8187 where the name is not ASCII."""
    quoted = quote(filename, safe="")
    if quoted == filename:
        return f'attachment; filename="{filename}"'
    return f"attachment; filename*=UTF-8''{quoted}"


def table_of(rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Makes a table of these columns, also where there is no row or only null.

    A name that is missing is null; keys that are no column are left out.
    """
    return pa.Table.from_pylist([dict(row) for row in rows], schema=schema)


_ARROW = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    datetime: pa.timestamp("us", tz="UTC"),
}


def schema_of(*parts: tuple[type[BaseModel], set[str]]) -> pa.Schema:
    """Makes columns of the fields of models; each part is a model and the fields to leave out."""
    return pa.schema(
        [
            pa.field(
                name, arrow_type(field.annotation), metadata={"says": field.description or ""}
            )
            for model, excluded in parts
            for name, field in model.model_fields.items()
            if name not in excluded
        ]
    )


def arrow_type(annotation: Any) -> pa.DataType:
    """The type of a column of values so annotated."""
    if annotation in _ARROW:
        return _ARROW[annotation]
    if get_origin(annotation) is list:
        return pa.list_(arrow_type(get_args(annotation)[0]))
    if get_origin(annotation) is Literal:
        return pa.string()
    (value_type,) = (part for part in get_args(annotation) if part is not type(None))
    return arrow_type(value_type)
