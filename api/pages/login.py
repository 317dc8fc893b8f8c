"""Browser login: a token is typed in once and held as an HttpOnly cookie that is not the token."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from api.pages.rendering import page
from api.reading.snapshot import log
from api.web.access import COOKIE_SECONDS, cookie_name, cookie_value, level, local
from api.web.addresses import at, base_of
from api.web.bodies import Fields

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/login")
def form(request: Request, next: str | None = None) -> Response:
    """Asks for a token."""
    return _form(request, next)


@router.post("/login")
def log_in(request: Request, sent: Fields) -> Response:
    """Leads to where the token was asked for; 401 for one that is not known."""
    token, wanted = str(sent.get("token", "")), str(sent.get("next", ""))
    known = level(request.app.state.tokens, token)
    if not (known.reads or known.controls):
        log.warning("login refused, from %s", request.client.host if request.client else "?")
        return _form(request, wanted, 401)
    answer = RedirectResponse(_after(request, wanted), 303)
    # Strict: no other site's link or form sends it. The address bar does.
    answer.set_cookie(
        cookie_name(request), cookie_value(token.strip()), max_age=COOKIE_SECONDS,
        path=base_of(request) or "/", secure=request.url.scheme == "https", httponly=True,
        samesite="strict",
    )  # fmt: skip
    return answer


@router.post("/logout")
def log_out(request: Request) -> Response:
    """Takes the cookie back."""
    answer = RedirectResponse(at(request, "/login"), 303)
    answer.delete_cookie(
        cookie_name(request), path=base_of(request) or "/",
        secure=request.url.scheme == "https", httponly=True, samesite="strict",
    )  # fmt: skip
    return answer


def _form(request: Request, wanted: str | None, status: int = 200) -> Response:
    after, tokens = _after(request, wanted), request.app.state.tokens
    answer = page(request, "login.html", status, next=after, refused=status == 401, tokens=tokens)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _after(request: Request, wanted: str | None) -> str:
    home = at(request, "/")
    found = local(wanted, home)
    return home if found.startswith((at(request, "/login"), at(request, "/logout"))) else found
