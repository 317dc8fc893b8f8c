"""Renders pages: the environment that all templates share."""

from __future__ import annotations

from http import HTTPStatus
from importlib import metadata
from pathlib import Path
from typing import Any

import jinja2
from fastapi import Request
from fastapi.responses import Response
from starlette.templating import Jinja2Templates

from api.drawing import look
from api.pages.markdown import markdown
from api.reading.version import code_version
from api.web.addresses import base_of, path_of
from api.web.words import duration, number, verdict
from sweep.paper.scores import SCORE_TITLES
from trainer.config import picture_gauge
from trainer.config.settings import DATASETS, METHODS

GLYPHS = {
    "planned": "○",
    "running": "◐",
    "completed": "●",
    "collapsed": "✕",
    "failed": "!",
    "stopped": "◼",
    "unreadable": "?",
}

# Its wheel brings plotly.js. Nothing of it is imported: that would take 16 MiB and 100 ms.
PLOTLY_VERSION = metadata.version("plotly")


def glyph(status: str) -> str:
    """The mark of a status; one that this version does not know has a mark of its own."""
    return GLYPHS.get(status, "◇")


_environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters |= {
    "number": number,
    "duration": duration,
    "verdict": verdict,
    "markdown": markdown,
}
_environment.globals |= {
    "GLYPHS": GLYPHS,
    "glyph": glyph,
    "METHODS": METHODS,
    "MODES": {name: dataset.modes for name, dataset in DATASETS.items()},
    "GAUGE_MODES": picture_gauge.MODES,
    "SCORES": SCORE_TITLES,
    "colour": look.colour,
    "version": code_version,
    "plotly_version": PLOTLY_VERSION,
}


def _shared(request: Request) -> dict[str, Any]:
    # The guard's findings are missing if it was the guard that failed.
    session = {
        name: getattr(request.state, name, False)
        for name in ("logged_in", "can_log_in", "may_control")
    }
    return {"base": base_of(request), "path": path_of(request), **session}


_templates = Jinja2Templates(env=_environment, context_processors=[_shared])


def page(request: Request, template: str, code: int = 200, **context: Any) -> Response:
    """Renders the template with its context, and `base` and `path` of the request."""
    return _templates.TemplateResponse(request, template, context, status_code=code)


def render(template: str, **context: Any) -> str:
    """Renders the template for no request: as at the service's root, for nobody who logged in."""
    shared = {
        "base": "",
        "path": "",
        "logged_in": False,
        "can_log_in": False,
        "may_control": False,
    }
    return _environment.get_template(template).render(shared | context)


def compile_templates() -> None:
    """Compiles all templates, which takes the first request of each page as long as its answer."""
    for name in _environment.list_templates():
        _environment.get_template(name)


def refusal(request: Request, status: int, detail: str) -> Response:
    """Renders a problem as a page."""
    title = HTTPStatus(status).phrase
    return page(request, "refusal.html", status, title=title, detail=detail, status=status)
