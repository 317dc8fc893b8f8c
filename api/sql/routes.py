"""The route that answers SQL: what is sent, and the rows as every other table of the service."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

import pyarrow as pa
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from api.sql import processes
from api.web import formats
from api.web.etags import not_modified_or_continue
from api.web.parameters import TABLES, Format, Now, Serving, known_parameters
from api.web.problems import RESPONSES
from api.web.workers import bounded_query
from sweep.store.nonfinite import finite
from sweep.store.tables import pylist

router = APIRouter(tags=["results"], dependencies=[Depends(known_parameters)], responses=RESPONSES)

ROWS, MOST_ROWS, LONGEST = 1000, 100_000, 20_000
# Files of any format say by it what JSON says in `cut`.
CUT_HEADER = "X-Rows-Cut"


class Column(BaseModel):
    name: str
    type: str = Field(description="string, int64, double, bool, timestamp or a list of them")


class SqlRows(BaseModel):
    columns: list[Column]
    items: list[dict[str, Any]] = Field(
        description="rows; `nonfinite` of a row names its numbers that are null for being NaN or "
        "infinite"
    )
    cut: str | None = Field(description="which bound left rows out; null if these are all")
    left_out: dict[str, str] = Field(description="files that cannot be read, and why")


@router.get("/sql", response_model=SqlRows, responses=TABLES)
@bounded_query
def sql(
    request: Request,
    snapshot: Now,
    service: Serving,
    q: Annotated[
        str,
        Query(
            min_length=1,
            max_length=LONGEST,
            description="one SELECT in DuckDB's dialect over trials, evaluations, spectra, "
            "outputs and sweeps; `describe trials` lists columns",
        ),
    ],
    limit: Annotated[
        int, Query(ge=1, le=MOST_ROWS, description="rows; `cut` says if there are more")
    ] = ROWS,
    format: Format = None,
) -> Response:
    """Answers one SELECT over the store's tables, read-only and bounded.

    No file, network, extension or setting can be reached. Curves are read trial by trial: a
    condition on `trial_id` reads those trials' alone. The bounds are 30 s, 512 MiB and `limit`
    rows.
    """
    media = formats.negotiate(request, format)
    found = processes.ask(service.store, q, limit)
    # Of the rows: a statement may ask for the time, or for chance.
    not_modified_or_continue(request, _digest(found), media)
    if found.cut is not None:
        request.state.headers[CUT_HEADER] = found.cut
    return formats.json_or_file(request, media, "sql", lambda: _answer(found), lambda: found.table)


def _digest(found: processes.Rows) -> str:
    digest = hashlib.sha256(f"{found.table.schema}{found.cut}{found.left_out}".encode())
    for batch in found.table.to_batches():
        digest.update(batch.serialize())
    return digest.hexdigest()[:24]


def _answer(found: processes.Rows) -> SqlRows:
    columns = [Column(name=f.name, type=_type_name(f.type)) for f in found.table.schema]
    return SqlRows(
        columns=columns,
        items=list(map(finite, pylist(found.table))),
        cut=found.cut,
        left_out=dict(found.left_out),
    )


def _type_name(kind: pa.DataType) -> str:
    return "timestamp" if pa.types.is_timestamp(kind) else str(kind).replace("item: ", "")
