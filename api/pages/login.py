"""Browser login: a token is typed in once and kept as an HttpOnly cookie that is not the token."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from api.pages.rendering import page
from api.reading.snapshot import log
from api.web.access import (
    COOKIE_SECONDS,
    authority_of_token,
    cookie_name,
    cookie_value,
    local_address_or,
)
from api.web.addresses import base_of, public_address
from api.web.bodies import Fields

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/login")
def form(request: Request, next: str | None = None) -> Response:
    """Asks for a token."""
    return _form(request, next)


@router.post("/login")
async def log_in(request: Request, sent: Fields) -> Response:
    """Leads to where the token was asked for; 401 for one that is not known."""
    token, next_page = str(sent.get("token", "")), str(sent.get("next", ""))
    authority = authority_of_token(request.app.state.tokens, token)
    if not (authority.reads or authority.controls):
        log.warning("login refused, from %s", request.client.host if request.client else "?")
        await request.app.state.slowdown.after_wrong_token(request)
        return _form(request, next_page, 401)
    answer = RedirectResponse(_after_login(request, next_page), 303)
    # Strict: no other site's link or form sends it. The address bar does.
    answer.set_cookie(
        cookie_name(request),
        cookie_value(token.strip()),
        max_age=COOKIE_SECONDS,
        path=base_of(request) or "/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return answer


@router.post("/logout")
def log_out(request: Request) -> Response:
    """Takes the cookie back."""
    answer = RedirectResponse(public_address(request, "/login"), 303)
    answer.delete_cookie(
        cookie_name(request),
        path=base_of(request) or "/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return answer


def _form(request: Request, next_page: str | None, status: int = 200) -> Response:
    after, tokens = _after_login(request, next_page), request.app.state.tokens
    answer = page(request, "login.html", status, next=after, refused=status == 401, tokens=tokens)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _after_login(request: Request, next_page: str | None) -> str:
    home = public_address(request, "/")
    address = local_address_or(next_page, home)
    login_pages = tuple(public_address(request, path) for path in ("/login", "/logout"))
    return home if address.startswith(login_pages) else address
