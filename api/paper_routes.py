"""Measured beside published: the paper's tables."""

from __future__ import annotations

import pyarrow as pa
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from api import claims, comparison, formats
from api.caching import conditional
from api.parameters import TABLES, Format, Now, Serving, known_parameters
from api.problems import RESPONSES
from api.table2_models import Table2

router = APIRouter(tags=["paper"], dependencies=[Depends(known_parameters)], responses=RESPONSES)


@router.get("/table2", response_model=Table2, responses=TABLES)
def table2(
    request: Request, snapshot: Now, service: Serving, format: Format = None
) -> Table2 | Response:
    """Table II: published, and measured by profile and method. As a table, a row per method."""
    media = formats.negotiate(request, format)
    conditional(request, snapshot.id, media)
    rows = comparison.setting_scores(snapshot, service.curves)
    if media == formats.JSON:
        return Table2(items=list(rows), snapshot=snapshot.id)
    flat = [line for row in rows for line in comparison.flat(row)]
    return formats.file_response(media, pa.Table.from_pylist(flat), "table2")


@router.get("/claims", response_model=claims.Claims, responses=TABLES)
def paper_claims(
    request: Request, snapshot: Now, service: Serving, format: Format = None
) -> claims.Claims | Response:
    """What the paper claims in numbers: what its own Table II gives, and what was measured here.

    `holds` of another data set neither supports nor refutes the paper: see `comparable`.
    """
    media = formats.negotiate(request, format)
    conditional(request, snapshot.id, media)
    items = claims.of(comparison.table_rows(snapshot, service.curves), snapshot)
    if media == formats.JSON:
        return claims.Claims(items=items, snapshot=snapshot.id)
    table = formats.table_of(claims.flat(items), claims.FLAT)
    return formats.file_response(media, table, "claims")
