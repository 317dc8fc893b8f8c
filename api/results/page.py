"""The page that lists trials: filtered, sorted, with chosen columns or grouped, all by its URL."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException

from api.pages.rendering import page
from api.reading import plans
from api.reading.snapshot import Row, Snapshot
from api.results import groups, paging
from api.results.filters import EXACT, NAMED, RANGES, SEEN, column, matching
from api.results.parameters import Chosen
from api.trials import queries
from api.web.addresses import at
from api.web.etags import conditional
from api.web.parameters import Now, separated
from sweep.paper.scores import score_name
from trainer.config.lookup import UsageError, lookup

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

# What a column shows that is not simply stored: a distance is FID or, on digits, FD-digits.
BEST, FINAL, SEEN_COLUMN = "best", "final", "seen"
DERIVED = (BEST, FINAL, SEEN_COLUMN)
COLUMNS = ("method", "i_ratio", "seed", "status", "iteration", BEST, SEEN_COLUMN, "updated_at")
# Offered by name; any other stored column can be asked for in the URL.
OFFERED = (
    *COLUMNS, FINAL, "profile", "dataset", "group", "batch_size", "channels", "best_modes",
    "final_modes", "best_inception_score", "best_reverse_kl", "best_valid_share", "best_iteration",
    "final_spectrum_left", "mode_collapse_at", "spectral_collapse_at", "dead_at", "diverged_at",
    "stop_reason", "seconds", "host", "started_at", "failures", "parent", "objective",
)  # fmt: skip
GROUPINGS = (
    "method", "method,i_ratio", "setting,method", "setting,method,i_ratio", "group,method",
    "dataset,method", "status", "host",
)  # fmt: skip
FILTERS = (*NAMED, *EXACT, *SEEN, *RANGES, "sweep")
OWN = ("sort", "columns", "by", "limit", "cursor")
NEWEST = "-updated_at"


def known_and_given(request: Request) -> None:
    """Refuses what the page does not have; leaves out what a form sent empty, by a redirect."""
    given = request.query_params.multi_items()
    kept = [(name, value) for name, value in given if value]
    if len(kept) < len(given):
        raise HTTPException(
            303, headers={"Location": at(request, f"/view/trials?{urlencode(kept)}")}
        )
    for name, _ in kept:
        lookup("query parameter", dict.fromkeys((*OWN, *FILTERS)), name)


@router.get("/view/trials", dependencies=[Depends(known_and_given)])
def trial_list(
    request: Request,
    snapshot: Now,
    filters: Chosen,
    sort: str = NEWEST,
    columns: Annotated[list[str], Query()] = [],  # noqa: B006 - FastAPI copies defaults
    by: Annotated[list[str], Query()] = [],  # noqa: B006
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: str | None = None,
) -> Response:
    """Trials as a table, or with `by` the groups that they fall into."""
    conditional(request, snapshot.id, "text/html")
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
        return page(request, "groups.html", **shared, **_groups(snapshot, filters, separated(by)))
    found = paging.page(snapshot, filters, paging.read_sort(sort), limit, cursor)
    names = [_known(name) for name in separated(columns)] or [*COLUMNS]
    return page(
        request, "trials.html", **shared,
        rows=[(queries.trial(row), {n: row.get(n) for n in names}) for row in found.records],
        n=sum(1 for _ in matching(snapshot, filters)),
        of=len(snapshot.records),
        columns=[(name, _sorted_by(name, found.records)) for name in names],
        offered=list(dict.fromkeys([*OFFERED, *names])),
        chosen=names,
        next_page=found.next_cursor and _address(request, {"cursor": found.next_cursor}),
        first_page=cursor and _address(request, {"cursor": None}),
        sorted_by=lambda name: _address(request, {"sort": name, "cursor": None}),
        export=urlencode([(n, v) for n, v in request.query_params.multi_items() if n in FILTERS]),
    )  # fmt: skip


def _known(name: str) -> str:
    """Raises UsageError with the nearest names."""
    return name if name in DERIVED else column("column", name)


def _sorted_by(name: str, rows: Sequence[Row]) -> str | None:
    """The stored column that a click on the head sorts by."""
    if name in (BEST, FINAL):
        return f"{name}_{score_name(rows[0])}" if rows else None
    return None if name == SEEN_COLUMN else name


@functools.lru_cache(maxsize=2)
def _choices(snapshot: Snapshot) -> dict[str, Any]:
    """What the filters offer: what the store has, not what there could be."""
    rows = snapshot.records.values()
    return {
        "sweeps": plans.sweep_names(snapshot),
        "present": {
            name: [value for value in NAMED[name] if value in held]
            for name in ("profile", "setting", "method", "status", "group", "dataset")
            if (held := {row[name] for row in rows})
        },
        "groupings": GROUPINGS,
    }


def _groups(snapshot: Snapshot, filters: Chosen, by: Sequence[str]) -> dict[str, Any]:
    rows = list(matching(snapshot, filters))
    names = groups.read_by(by)
    try:
        score, mixed = groups.read_score(None, rows), None
    except UsageError as error:
        # Two distances have no mean; what they fall into can still be counted.
        score, mixed = "best_fid", str(error)
    found = groups.groups(rows, score, names, [*groups.AGGREGATES])
    return {"names": names, "score": score, "mixed": mixed, "groups": found, "n": len(rows)}


def _address(request: Request, changes: Mapping[str, str | None]) -> str:
    """This page with other parameters; None takes one away."""
    kept = [(n, v) for n, v in request.query_params.multi_items() if n not in changes]
    kept += [(name, value) for name, value in changes.items() if value is not None]
    return at(request, f"/view/trials?{urlencode(kept)}")
