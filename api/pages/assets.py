"""Serves Plotly's script and the page that shows the routes."""

from __future__ import annotations

import functools
import gzip
from importlib import metadata
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from api.pages.rendering import PLOTLY_VERSION, page
from api.reading.snapshot import NotFound

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/docs")
def docs(request: Request) -> Response:
    """The JSON routes, to be tried out."""
    return page(request, "docs.html")


@router.get("/assets/plotly-{version}.min.js", response_class=Response)
def plotly_script(request: Request, version: str) -> Response:
    """Plotly's script as its wheel ships it; the address has its version, so it never changes."""
    if version != PLOTLY_VERSION:
        raise NotFound(f"this service has Plotly {PLOTLY_VERSION}")
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(plotly_raw(), media_type="text/javascript", headers=headers)
    headers["Content-Encoding"] = "gzip"
    return Response(_plotly_gzip(), media_type="text/javascript", headers=headers)


def plotly_raw() -> bytes:
    """Plotly's script as its wheel ships it."""
    script = metadata.distribution("plotly").locate_file("plotly/package_data/plotly.min.js")
    return Path(str(script)).read_bytes()


@functools.cache
def _plotly_gzip() -> bytes:
    return gzip.compress(plotly_raw(), 6)
