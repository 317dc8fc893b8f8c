"""The pages: the same questions as the JSON routes ask, answered for people."""

from __future__ import annotations

import functools
import gzip
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import jinja2
import plotly
from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response
from starlette.templating import Jinja2Templates

from api import comparison, figures, progress, queries, reads
from api.caching import code_version, conditional
from api.filters import Filters, matching
from api.models import Trial
from api.parameters import Now, Serving
from api.service import tag_sweeps
from api.snapshot import Snapshot
from api.words import duration, number, verdict
from sweep.paper import TABLE_II
from sweep.results import STATUSES
from trainer.settings import ALL_SETTINGS, DATASETS, METHODS, SETTINGS

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

# A cell of the matrix shows every trial up to this many, then counts.
CELL_TRIALS = 24
GLYPHS = {
    "planned": "○", "running": "◐", "completed": "●", "collapsed": "✕", "failed": "!",
    "stopped": "◼",
}  # fmt: skip

_environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters |= {"number": number, "duration": duration, "verdict": verdict}
_environment.globals |= {
    "GLYPHS": GLYPHS,
    "STATUSES": STATUSES,
    "METHODS": METHODS,
    "MODES": {name: dataset.modes for name, dataset in DATASETS.items()},
    "SCORES": figures.SCORE_NAMES,
    "colour": figures.colour,
    "version": code_version,
    "plotly_version": plotly.__version__,
}
templates = Jinja2Templates(env=_environment)


@router.get("/")
def home(request: Request, snapshot: Now, service: Serving) -> Response:
    """Sweeps, and what the store holds."""
    now = tag_sweeps(request, snapshot)
    return _page(request, "home.html", **_overview(snapshot, service, now))


@router.get("/view/overview")
def overview(request: Request, snapshot: Now, service: Serving) -> Response:
    """What changes on the first page while a sweep runs."""
    now = tag_sweeps(request, snapshot)
    return _page(request, "_overview.html", **_overview(snapshot, service, now))


def _overview(snapshot: Now, service: Serving, now: datetime) -> dict[str, Any]:
    names = progress.sweep_names(snapshot)
    matrices = _matrices_of(snapshot)
    return {
        "root": service.root,
        "exists": snapshot.exists,
        "warning": service.watcher.error,
        "skipped": snapshot.skipped,
        "sweeps": [progress.sweep(snapshot, name, now) for name in names],
        "trials": len(snapshot.records),
        "matrices": matrices,
        "methods": in_order(m for table in matrices.values() for m in table["methods"]),
    }


@functools.lru_cache(maxsize=2)
def _matrices_of(snapshot: Snapshot) -> Mapping[str, Mapping[str, Any]]:
    return matrices(queries.trial(record) for record in snapshot.records.values())


def matrices(trials: Iterable[Trial]) -> Mapping[str, Mapping[str, Any]]:
    """By profile: the methods, and by setting and method the trials.

    Settings are in Table I's order; what is outside it comes last.
    """
    by_profile: dict[str, dict[str, dict[str, list[Trial]]]] = {}
    for trial in trials:
        cell = by_profile.setdefault(trial.profile, {}).setdefault(trial.setting, {})
        cell.setdefault(trial.method, []).append(trial)
    return {
        profile: {
            "methods": in_order(m for methods in settings.values() for m in methods),
            "settings": {s: settings[s] for s in ALL_SETTINGS if s in settings},
            "cell_trials": CELL_TRIALS,
        }
        for profile, settings in by_profile.items()
    }


def in_order(methods: Iterable[str]) -> list[str]:
    """SN, SR and their controls first, as they are compared; what is not known here last."""
    present = set(methods)
    return [m for m in figures.COLOURS if m in present] + sorted(present - figures.COLOURS.keys())


@router.get("/view/sweeps/{name}")
def sweep(request: Request, snapshot: Now, name: str) -> Response:
    """A sweep and its trials."""
    shown = progress.sweep_detail(snapshot, name, tag_sweeps(request, snapshot))
    trials = [queries.trial(snapshot.records[trial_id]) for trial_id in shown.trials]
    return _page(
        request, "sweep.html", sweep=shown, trials=trials, matrices=matrices(trials),
        methods=in_order(trial.method for trial in trials),
    )  # fmt: skip


@router.get("/view/trials/{trial_id}")
def trial(request: Request, snapshot: Now, service: Serving, trial_id: str) -> Response:
    """A trial: verdict, curves, spectra, samples, configuration."""
    record = queries.record(snapshot, trial_id)
    iterations = reads.sample_iterations(service.store, trial_id)
    conditional(request, f"{snapshot.id} {iterations}", "text/html")
    shown = queries.trial_detail(snapshot, record)
    score = figures.score_of(shown)
    return _page(
        request, "trial.html", trial=shown, score=score, samples=iterations,
        layers=figures.layers(shown),
    )  # fmt: skip


@router.get("/paper")
def paper(
    request: Request,
    snapshot: Now,
    service: Serving,
    profile: Annotated[str | None, Query()] = None,
) -> Response:
    """Table II, Fig. 5 and Fig. 8: published and measured."""
    conditional(request, snapshot.id, "text/html")
    rows = comparison.setting_scores(snapshot, service.curves)
    profiles = sorted({p for row in rows for p in row.measured})
    shown = profile if profile in profiles else next(iter(profiles), "digits")
    of_profile = [row.measured[shown] for row in rows if shown in row.measured]
    trials = [
        queries.trial(record)
        for record in matching(snapshot, Filters(profile=[shown]))
        if record["status"] != "planned"
    ]
    return _page(
        request, "paper.html", rows=rows, profile=shown, profiles=profiles,
        methods=in_order(m for methods in of_profile for m in methods),
        trials=sorted(trials, key=_story_first), fig8_settings=_by_number_of_i(trials),
        layers=_layers_of(trials), measured=len(of_profile), groups=_groups(),
    )  # fmt: skip


def _story_first(trial: Trial) -> tuple[bool, str, int, str]:
    """Runs in which something collapsed come first: they are what Fig. 5 is about."""
    healthy = trial.mode_collapse_at is None and trial.spectral_collapse_at is None
    return healthy, trial.setting, in_order([*METHODS]).index(trial.method), trial.trial_id


def _layers_of(trials: Sequence[Trial]) -> Mapping[int, str]:
    """The layers of the deepest of the discriminators: which are 1x1 differs between them."""
    return max((figures.layers(trial) for trial in trials), key=len, default={})


def _by_number_of_i(trials: Sequence[Trial]) -> list[str]:
    """Rows of Table I with a lifted trial, those with the most values of i first."""
    ratios: dict[str, set[float]] = {}
    for one in trials:
        if one.i_ratio is not None and one.setting in SETTINGS:
            ratios.setdefault(one.setting, set()).add(one.i_ratio)
    return sorted(ratios, key=lambda setting: -len(ratios[setting]))


def _groups() -> dict[str, str]:
    return {setting: SETTINGS[setting].group for setting in TABLE_II}


@router.get("/docs")
def docs(request: Request) -> Response:
    """The JSON routes, to be tried out."""
    return _page(request, "docs.html")


@router.get("/assets/plotly-{version}.min.js", response_class=Response)
def plotly_script(request: Request, version: str) -> Response:
    """Plotly's script as its wheel ships it; the address has its version, so it never changes."""
    if version != plotly.__version__:
        raise queries.NotFound(f"this service has Plotly {plotly.__version__}")
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(_plotly_raw(), media_type="text/javascript", headers=headers)
    headers["Content-Encoding"] = "gzip"
    return Response(_plotly_gzip(), media_type="text/javascript", headers=headers)


def _plotly_raw() -> bytes:
    return files("plotly").joinpath("package_data/plotly.min.js").read_bytes()


@functools.cache
def _plotly_gzip() -> bytes:
    return gzip.compress(_plotly_raw(), 6)


def is_page(path: str) -> bool:
    return path in ("/", "/paper") or path.startswith("/view/")


def refusal(request: Request, status: int, detail: str) -> Response:
    """A problem, for a person."""
    title = HTTPStatus(status).phrase
    return _page(request, "refusal.html", status, title=title, detail=detail, status=status)


def _page(request: Request, template: str, code: int = 200, **context: Any) -> Response:
    return templates.TemplateResponse(request, template, context, status_code=code)
