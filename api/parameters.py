"""What a request may ask for, shared by the routes: parameters, snapshot, service."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Request

from api import formats, models
from api.service import Service, now_serving, service_of
from api.snapshot import Snapshot
from trainer.settings import UsageError, lookup


def known_parameters(request: Request) -> None:
    """Refuses a query parameter that the route does not have: a typo would select everything."""
    operation = request.app.openapi()["paths"][request.scope["route"].path]["get"]
    names = [p["name"] for p in operation.get("parameters", []) if p["in"] == "query"]
    for name in request.query_params:
        if not names:
            raise UsageError(f"unknown query parameter {name!r}: this address takes none")
        lookup("query parameter", dict.fromkeys(names), name)


Now = Annotated[Snapshot, Depends(now_serving)]
Serving = Annotated[Service, Depends(service_of)]
Format = Annotated[str | None, Query(description="json, csv or parquet; else by Accept")]
Layer = Annotated[
    int | None, Query(ge=0, description="of the paper's ten, on ImageNet of seventeen")
]
Images = Annotated[
    Literal["training", "test", "generated"] | None, Query(description="shown to D")
]
Quantity = Annotated[Literal["d", "d_loss"] | None, Query(description="D(x) or D's loss")]
Names = Annotated[list[str], Query(description="repeatable; shell patterns such as B_* allowed")]
TABLES: dict[int | str, dict[str, Any]] = {
    200: {"content": {formats.CSV: {}, formats.PARQUET: {}}},
    406: {"model": models.Problem, "description": "Not Acceptable"},
}
