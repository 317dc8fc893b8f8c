"""ETags: a response is fresh as long as what it was made from, and what made it, is the same."""

from __future__ import annotations

import hashlib

from fastapi import Request

from api import answers
from api.reading.version import code_version


class NotModified(Exception):
    """The client has it already: 304."""


def conditional(request: Request, version: str, media: str = "application/json") -> None:
    """Gives the response an ETag over `version`, address, media type and what the asker may do.

    Raises NotModified if the client has it, and Known if it was made before. Weak, because the
    bytes depend on compression.
    """
    query = "&".join(sorted(request.url.query.split("&")))
    state = request.state
    may = f"{state.trusted} {state.may_control} {state.logged_in}"
    parts = [code_version(), version, media, may, request.url.path, query]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
    request.state.headers = {
        "ETag": f'W/"{digest}"',
        "Cache-Control": "private, no-cache",
        "Vary": "Accept, Accept-Encoding, Authorization, Cookie",
    }
    known = [tag.strip().removeprefix("W/") for tag in _if_none_match(request).split(",")]
    if f'"{digest}"' in known or "*" in known:
        raise NotModified
    answers.recall(request, request.state.headers["ETag"])


def _if_none_match(request: Request) -> str:
    return ",".join(request.headers.getlist("if-none-match"))
