"""The pages of sweeps: the same questions as the JSON routes ask, answered for people."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from api import progress, queries
from api.figures import in_order
from api.models import Trial
from api.parameters import Now, Serving
from api.rendering import page
from api.service import tag_sweeps
from api.snapshot import Snapshot
from trainer.settings import ALL_SETTINGS

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

# A cell of the matrix shows every trial up to this many, then counts.
CELL_TRIALS = 24


@router.get("/")
def home(request: Request, snapshot: Now, service: Serving) -> Response:
    """Sweeps, and what the store holds."""
    now = tag_sweeps(request, snapshot)
    return page(request, "home.html", **_overview(snapshot, service, now))


@router.get("/view/overview")
def overview(request: Request, snapshot: Now, service: Serving) -> Response:
    """What changes on the first page while a sweep runs."""
    now = tag_sweeps(request, snapshot)
    return page(request, "_overview.html", **_overview(snapshot, service, now))


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


@router.get("/view/sweeps/{name}")
def sweep(request: Request, snapshot: Now, name: str) -> Response:
    """A sweep and its trials."""
    shown = progress.sweep_detail(snapshot, name, tag_sweeps(request, snapshot))
    trials = [queries.trial(snapshot.records[trial_id]) for trial_id in shown.trials]
    return page(
        request, "sweep.html", sweep=shown, trials=trials, matrices=matrices(trials),
        methods=in_order(trial.method for trial in trials),
    )  # fmt: skip
