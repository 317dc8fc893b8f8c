"""The page that lists trials: filtered, sorted, with chosen columns or grouped, all by its URL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException

from api.notes.queries import trials_by_tag
from api.pages.rendering import page
from api.reading import plans
from api.reading.memo import memoise_by_snapshot
from api.reading.snapshot import Row, Snapshot
from api.results import groups, paging
from api.results.filters import (
    COLLAPSE_FILTERS,
    EXACT_FILTERS,
    NAMED_FILTERS,
    RANGES,
    column,
    filter_names,
    matching,
    stored_names,
)
from api.results.parameters import TrialFilters
from api.trials import queries
from api.trials.dataset_facts import score_of
from api.web.addresses import public_address
from api.web.etags import not_modified_or_continue
from api.web.parameters import Now, separated
from sweep.paper.scores import score_name
from trainer.config.lookup import UsageError, lookup

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

# Columns that are not simply stored: a distance is FID, FD-digits or FD-pictures.
BEST, FINAL, SEEN_COLUMN = "best", "final", "seen"
DERIVED = (BEST, FINAL, SEEN_COLUMN)
COLUMNS = ("method", "i_ratio", "seed", "status", "iteration", BEST, SEEN_COLUMN, "updated_at")
# Offered by name; any other stored column can be asked for in the URL.
OFFERED = (
    *COLUMNS, FINAL, "profile", "dataset", "data_share", "group", "batch_size", "channels",
    "best_modes", "final_modes", "best_inception_score", "best_reverse_kl", "best_valid_share",
    "best_density", "best_coverage", "final_density", "final_coverage",
    "best_iteration", "best_ema_fd_digits", "best_ema_fid", "best_ema_fd_pictures",
    "best_ema_modes",
    "final_ema_fd_digits", "final_ema_fid", "final_ema_fd_pictures", "final_ema_modes",
    "final_spectrum_left",
    "mode_collapse_at", "spectral_collapse_at", "dead_at", "diverged_at", "healthy", "stop_reason",
    "rung", "seconds", "host", "started_at", "failures", "parent", "objective", "score",
    "best_own_score", "final_own_score",
)  # fmt: skip
GROUPINGS = (
    "method", "method,i_ratio", "setting,method", "setting,method,i_ratio", "group,method",
    "dataset,method", "status", "host",
)  # fmt: skip
FILTERS = (*NAMED_FILTERS, *EXACT_FILTERS, *COLLAPSE_FILTERS, *RANGES, "sweep", "tag")
# What the form of the curves keeps in the address of groups.
OF_CURVES = ("x", "score", "band", "log", "log_x")
OWN = ("sort", "columns", "by", "limit", "cursor", *OF_CURVES)
NEWEST = "-updated_at"


def only_known_parameters(request: Request) -> None:
    """Refuses unknown parameters; redirects to leave out those that a form sent empty."""
    parameters = request.query_params.multi_items()
    filled = [(name, value) for name, value in parameters if value]
    if len(filled) < len(parameters):
        raise HTTPException(
            303, headers={"Location": public_address(request, f"/view/trials?{urlencode(filled)}")}
        )
    for name, _ in filled:
        lookup("query parameter", dict.fromkeys((*OWN, *FILTERS)), name)


@router.get("/view/trials", dependencies=[Depends(only_known_parameters)])
def trial_list(
    request: Request,
    snapshot: Now,
    filters: TrialFilters,
    sort: str = NEWEST,
    columns: Annotated[Sequence[str], Query()] = (),
    by: Annotated[Sequence[str], Query()] = (),
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: str | None = None,
) -> Response:
    """Trials as a table, or with `by` the groups that they fall into."""
    not_modified_or_continue(request, snapshot.id, "text/html")
    shared = {
        **_choices(snapshot),
        "active": [(n, v) for n, v in request.query_params.multi_items() if n in FILTERS],
        "without": lambda *names: _address(request, dict.fromkeys(names)),
        "sort": sort,
        "by": ",".join(separated(by)),
        "limit": limit,
        "default_columns": [*COLUMNS],
    }
    if by:
        return page(
            request,
            "groups.html",
            **shared,
            **_groups(snapshot, filters, separated(by)),
            export=_export(request, "by"),
            trials_of=lambda group: _address(
                request, {**dict.fromkeys((*OF_CURVES, "by")), **_filters_of(group.by)}
            ),
        )
    listed = paging.page(snapshot, filters, paging.read_sort(sort), limit, cursor)
    names = [_checked_column(name) for name in separated(columns)] or [*COLUMNS]
    return page(
        request,
        "trials.html",
        **shared,
        rows=[
            (queries.tagged_trial(snapshot, row), {n: row.get(n) for n in names})
            for row in listed.records
        ],
        score_of=score_of,
        n=sum(1 for _ in matching(snapshot, filters)),
        of=len(snapshot.records),
        columns=[(name, _sorted_by(name, listed.records)) for name in names],
        offered=list(dict.fromkeys([*OFFERED, *names])),
        chosen=names,
        next_page=listed.next_cursor and _address(request, {"cursor": listed.next_cursor}),
        first_page=cursor and _address(request, {"cursor": None}),
        sorted_by=lambda name: _address(request, {"sort": name, "cursor": None}),
        export=_export(request, "sort"),
    )


def _checked_column(name: str) -> str:
    """The column, if the page has it. Raises UsageError with the nearest names."""
    return name if name in DERIVED else column("column", name)


def _sorted_by(name: str, rows: Sequence[Row]) -> str | None:
    """The stored column that a click on the head sorts by."""
    if name in (BEST, FINAL):
        return f"{name}_{score_name(rows[0])}" if rows else None
    return None if name == SEEN_COLUMN else name


@memoise_by_snapshot()
def _choices(snapshot: Snapshot) -> dict[str, Any]:
    """Choices of the filters: values that the store has, not all that there could be."""
    stored = stored_names(snapshot)
    return {
        "sweeps": plans.sweep_names(snapshot),
        "tags": [*trials_by_tag(snapshot)],
        "present": {
            name: [value for value in filter_names(snapshot)[name] if value in stored[name]]
            for name in ("profile", "setting", "method", "status", "group", "dataset")
        },
        "groupings": GROUPINGS,
    }


def _groups(snapshot: Snapshot, filters: TrialFilters, by: Sequence[str]) -> dict[str, Any]:
    rows = list(matching(snapshot, filters))
    names = groups.read_by(by)
    try:
        score, mixed = groups.read_score(None, rows), None
    except UsageError as error:
        # Two distances have no mean; what they fall into can still be counted.
        score, mixed = "best_fid", str(error)
    items = groups.groups(rows, score, names, [*groups.AGGREGATES])
    return {
        "names": names,
        "score": score,
        "mixed": mixed,
        "groups": items,
        "aggregates": groups.AGGREGATES,
        "n": len(rows),
        "of": len(snapshot.records),
        "live": any(row["status"] == "running" for row in rows),
    }


def _export(request: Request, other: str) -> str:
    """The query of a file of what the page shows: its filters, and one parameter more."""
    given = request.query_params.multi_items()
    return urlencode([(name, value) for name, value in given if name in (*FILTERS, other)])


def _filters_of(by: Mapping[str, Any]) -> dict[str, str]:
    """Filters that a group's values are; there is none for what is null, nor for iterations."""
    return {name: str(v) for name, v in by.items() if v is not None and name in FILTERS}


def _address(request: Request, changes: Mapping[str, str | None]) -> str:
    """Address of this page with other parameters; None takes one away."""
    parameters = [(n, v) for n, v in request.query_params.multi_items() if n not in changes]
    parameters += [(name, value) for name, value in changes.items() if value is not None]
    return public_address(request, f"/view/trials?{urlencode(parameters)}")
