"""Dependencies that routes share: query parameters, snapshot, service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Request

from api.reading.snapshot import Snapshot
from api.web import formats, problems
from api.web.service import Service, now_serving, service_of
from trainer.config.lookup import UsageError, lookup

MAX_LIMIT = 1000


async def known_parameters(request: Request) -> None:
    """Refuses a query parameter that the route does not have: a typo would select everything."""
    path, method = request.scope["route"].path, request.method.lower()
    operation = request.app.openapi()["paths"][path]["get" if method == "head" else method]
    names = [
        name
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "query"
        for name in parameter["schema"].get("propertyNames", {}).get("enum", [parameter["name"]])
    ]
    for name in request.query_params:
        if not names:
            raise UsageError(f"unknown query parameter {name!r}: this address takes none")
        lookup("query parameter", dict.fromkeys(names), name)


# These and `filters` never wait, and asynchronous ones need no thread: each would cost a request
# as much again as its route.
async def _now(request: Request) -> Snapshot:
    return now_serving(request)


async def _serving(request: Request) -> Service:
    return service_of(request)


Now = Annotated[Snapshot, Depends(_now)]
Serving = Annotated[Service, Depends(_serving)]
Format = Annotated[str | None, Query(description="json, csv, parquet or arrow; else by Accept")]
Layer = Annotated[
    int | None, Query(ge=0, description="of the paper's ten, on ImageNet of seventeen")
]
LayerIndex = Annotated[int, Query(ge=0)]
Images = Annotated[
    Literal["training", "test", "generated"] | None, Query(description="shown to D")
]
Quantity = Annotated[Literal["d", "d_loss"] | None, Query(description="D(x) or D's loss")]
Names = Annotated[
    Sequence[str], Query(description="repeatable; shell patterns such as B_* allowed")
]
TABLES: dict[int | str, dict[str, Any]] = {
    200: {"content": {formats.CSV: {}, formats.PARQUET: {}, formats.ARROW: {}}},
    206: {"content": {formats.PARQUET: {}}, "description": "A part of a Parquet file, by Range"},
    406: {"model": problems.Problem, "description": "Not Acceptable"},
    416: {"model": problems.Problem, "description": "Range Not Satisfiable"},
}


def separated(values: Sequence[str]) -> list[str]:
    """The names of a parameter that may be repeated or hold commas."""
    return [name for part in values for name in part.split(",") if name]


def whole_numbers(subject: str, values: Sequence[str]) -> list[int]:
    """The numbers of such a parameter. Raises UsageError for a text that is no whole number."""
    numbers = separated(values)
    for text in numbers:
        # Longer ones are no iteration, and slow to read.
        if not text.isascii() or not text.isdecimal() or len(text) > 12:
            raise UsageError(f"{subject} are whole numbers, not {text[:80]!r}")
    return [int(text) for text in numbers]
