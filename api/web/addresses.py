"""Addresses as the client sees them: a proxy may serve the service below a path of its own."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import Request

from api.web.bodies import FORM, media_of


def base_of(request: Request) -> str:
    """What stands before every path of the service: `/sweeps-of-lab`, or nothing."""
    return request.scope.get("root_path", "").rstrip("/")


def path_of(request: Request) -> str:
    """The path that was asked for, without what stands before it."""
    return request.url.path.removeprefix(base_of(request)) or "/"


def at(request: Request, path: str) -> str:
    """The address of a path of the service, for the client."""
    return base_of(request) + path


def path_in(url: str | None) -> str:
    """Path and query of an address; nothing if it is none."""
    try:
        parts = urlsplit(url or "")
    except ValueError:
        return ""
    return parts.path + (f"?{parts.query}" if parts.query else "")


def is_page(request: Request) -> bool:
    """Whether a person asked, not a program: for a page, or by a page's form."""
    path = path_of(request)
    known = path in ("/", "/paper", "/docs", "/login", "/logout") or path.startswith("/view/")
    return known or (request.method == "POST" and media_of(request) == FORM)
