"""The pages of sweeps: the same questions as the JSON routes ask, answered for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from api.drawing.look import in_order
from api.notes.queries import SWEEP, notes_on
from api.pages.rendering import page
from api.reading import on_demand, plans
from api.reading.memo import memoise_by_snapshot
from api.reading.snapshot import Row, Snapshot
from api.sweeps import actions, matrix, progress
from api.sweeps.alerts import alerts, silent_trials
from api.sweeps.models import Cell, Seed
from api.trials import queries
from api.trials.dataset_facts import score_of
from api.web.parameters import Now, Serving
from api.web.service import tag_sweeps
from sweep.store import requests
from trainer.config.settings import ALL_SETTINGS, SETTINGS

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

_PLACES = {name: place for place, name in enumerate(ALL_SETTINGS)}
# As on the bars of the pages.
_STATUS_PLACES = {
    status: place
    for place, status in enumerate(
        ("completed", "collapsed", "stopped", "failed", "unreadable", "running", "planned")
    )
}
CountedCell = tuple[Cell, Mapping[str, int]]

# A matrix shows every trial up to this many, then counts: a page stays a page.
DOTS = 600
# Running trials that the page lists; of more it says the number.
RUNNING = 50


@router.get("/")
def home(request: Request, snapshot: Now, service: Serving) -> Response:
    """Sweeps, and what the store holds."""
    now = tag_sweeps(request, snapshot)
    tables = _store_matrices(snapshot)
    return page(
        request,
        "home.html",
        root=service.root,
        exists=snapshot.exists,
        warning=service.watcher.error,
        skipped=snapshot.skipped,
        sweeps=[progress.sweep(snapshot, name, now) for name in plans.sweep_names(snapshot)],
        trials=len(snapshot.records),
        matrices=tables,
        methods=in_order(m for table in tables.values() for m in table["methods"]),
    )


@memoise_by_snapshot()
def _store_matrices(snapshot: Snapshot) -> Mapping[str, Mapping[str, Any]]:
    return matrices(list(snapshot.records.values()))


def matrices(records: Sequence[Row]) -> Mapping[str, Mapping[str, Any]]:
    """Matrices by title: the methods, and by setting and method the cells, one for each i and
    share of the images, each with the number of its trials by status.

    One holds a profile's rows of Table I, in its order. Sizes outside it run on any data, so each
    data set of theirs, such as your own pictures, has a matrix of its own.
    """
    parts: dict[tuple[str, str | None], dict[str, dict[str, list[CountedCell]]]] = {}
    for cell in matrix.cells(records):
        part = cell.profile, None if cell.setting in SETTINGS else cell.dataset
        methods = parts.setdefault(part, {}).setdefault(cell.setting, {})
        ordered = cell.model_copy(update={"seeds": sorted(cell.seeds, key=_status_place)})
        counts = Counter(seed.status for seed in ordered.seeds)
        methods.setdefault(cell.method, []).append((ordered, counts))
    return {
        f"{profile} profile" + (f", {dataset}" if dataset else ""): {
            "profile": profile,
            "dataset": dataset,
            "methods": in_order(m for methods in settings.values() for m in methods),
            "settings": dict(sorted(settings.items(), key=lambda item: _place_of(item[0]))),
            "dots": len(records) <= DOTS,
        }
        for (profile, dataset), settings in parts.items()
    }


def _status_place(seed: Seed) -> int:
    """The place of a trial's status: what has ended, what runs, what is to come."""
    return _STATUS_PLACES.get(seed.status, len(_STATUS_PLACES))


def _place_of(setting: str) -> tuple[int, str]:
    """The place of a setting among those that this version names, the others by their names."""
    return _PLACES.get(setting, len(_PLACES)), setting


@router.get("/view/sweeps/{name}")
def sweep(request: Request, snapshot: Now, service: Serving, name: str) -> Response:
    """A sweep: how it stands, what needs a look, what was asked of it, its matrix."""
    requests_stamp = on_demand.stamp(service.store, requests.path(name))
    records = plans.plan_records(snapshot, name)
    silent = silent_trials(records, datetime.now(UTC))
    now = tag_sweeps(request, snapshot, f"{requests_stamp} {len(silent)}")
    summary = progress.sweep(snapshot, name, now, service.rates)
    running = [row for row in records if row["status"] == "running"]
    may_control = getattr(request.state, "may_control", False)
    controls = may_control and summary.state == "running"
    tables = _sweep_matrices(snapshot, name)
    return page(
        request,
        "sweep.html",
        sweep=summary,
        alerts=alerts(summary.state, summary.sentence, records, silent),
        matrices=tables,
        methods=in_order({row["method"] for row in records}),
        running=[queries.trial(row) for row in running[:RUNNING]],
        score_of=score_of,
        more_running=max(0, len(running) - RUNNING),
        may_control=may_control,
        notes_on_it=notes_on(snapshot, SWEEP, name),
        controls=controls,
        asked=actions.pending_requests(service.store, name) if controls else [],
    )


@memoise_by_snapshot(size=8)
def _sweep_matrices(snapshot: Snapshot, name: str) -> Mapping[str, Mapping[str, Any]]:
    return matrices(plans.plan_records(snapshot, name))
