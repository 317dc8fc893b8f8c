"""Addresses as the client sees them: a proxy may serve the service below a path of its own."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import Request

from api.web.bodies import FORM, media_of


def base_of(request: Request) -> str:
    """The prefix of every path of the service: `/sweeps-of-lab`, or nothing."""
    return request.scope.get("root_path", "").rstrip("/")


def path_of(request: Request) -> str:
    """The requested path without the prefix."""
    return request.url.path.removeprefix(base_of(request)) or "/"


def public_address(request: Request, path: str) -> str:
    """The address of one of the service's paths as the client sees it."""
    return base_of(request) + path


def path_in(url: str | None) -> str:
    """Path and query of an address; nothing if it is none."""
    try:
        parts = urlsplit(url or "")
    except ValueError:
        return ""
    return parts.path + (f"?{parts.query}" if parts.query else "")


def is_page(request: Request) -> bool:
    """True for a person's request, not a program's: of a page, or by a page's form."""
    path = path_of(request)
    is_page_path = path in ("/", "/paper", "/docs", "/login", "/logout") or path.startswith(
        "/view/"
    )
    return is_page_path or (request.method == "POST" and media_of(request) == FORM)
