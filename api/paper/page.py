"""The page on which the paper's tables and figures stand beside what was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from api.drawing.look import in_order
from api.pages.rendering import page
from api.paper import claims, headline, pickers, protocol, table2
from api.paper.page_figures import SECTIONS
from api.reading.memo import once
from api.reading.snapshot import Row, Snapshot
from api.web.etags import conditional
from api.web.parameters import Now, Serving
from sweep.paper.claims import CONTROLS
from sweep.paper.table2 import TABLE_II, published_sr
from trainer.config.settings import DATASETS, PROFILES, SETTINGS, Setting

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

# Seeds of a method on a setting that the table names one by one; of more, their range.
NAMED_SEEDS = 6


@router.get("/paper")
def paper(
    request: Request,
    snapshot: Now,
    service: Serving,
    profile: Annotated[str | None, Query()] = None,
    print: Annotated[str | None, Query()] = None,
) -> Response:
    """Tables, claims and figures of the paper, published and measured."""
    conditional(request, snapshot.id, "text/html")
    rows = table2.setting_scores(snapshot, service.distances)
    profiles = sorted({name for row in rows for name in row.measured})
    shown = profile if profile in profiles else next(iter(profiles), "digits")
    known = _contents(snapshot, service.distances, shown)
    chosen = {
        plate.id: pickers.choices(plate, known["kinds"], request.query_params)
        for plates in SECTIONS.values()
        for plate in plates
    }
    addresses = {
        plate.id: pickers.address(plate, shown, chosen[plate.id])
        for plates in SECTIONS.values()
        for plate in plates
    }
    return page(
        request, "paper.html", rows=rows, profile=shown, profiles=profiles, choices=chosen,
        sections=SECTIONS, addresses=addresses, stills=print is not None, snapshot=snapshot.id,
        query=str(request.url.query), groups={s: SETTINGS[s].group for s in TABLE_II},
        settings=SETTINGS, named_seeds=NAMED_SEEDS, **known,
    )  # fmt: skip


# A snapshot is one object until the store changes, so this is worked out once for each.
@once(size=4)
def _contents(
    snapshot: Snapshot, curves: Callable[[str], Sequence[Row]], profile: str
) -> Mapping[str, Any]:
    """What the page says that is the same for everyone who looks at the profile."""
    rows = table2.setting_scores(snapshot, curves)
    begun = [
        row
        for row in snapshot.records.values()
        if row["profile"] == profile and row["status"] != "planned"
    ]
    of_table = protocol.of_table2(begun, profile)
    measured = {row.setting: row.measured.get(profile, {}) for row in rows}
    return {
        "answer": headline.standing(rows, profile),
        "facts": protocol.facts(of_table),
        "reasons": protocol.why_not(rows, profile),
        "claims": claims.of(table2.table_rows(snapshot, curves), snapshot),
        "kinds": pickers.kinds(begun),
        "methods": in_order({method for methods in measured.values() for method in methods}),
        "pairs": _pairs(rows, profile),
        "run_as": {name: _run_as(setting, profile) for name, setting in SETTINGS.items()},
    }


def _pairs(rows: Sequence[Any], profile: str) -> dict[str, dict[str, Any]]:
    """By setting: SR less SN, and the control that lifts nothing less SN."""
    found = {}
    for row in rows:
        of = row.pairs.get(profile, {})
        own = published_sr(row.setting)
        sr = own if own in of else "sr-static"
        found[row.setting] = {"name": sr, "sr": of.get(sr), "control": of.get(CONTROLS[0])}
    return found


def _run_as(setting: Setting, profile: str) -> dict[str, Any]:
    """What the profile makes of a row of Table I."""
    of = PROFILES[profile]
    dataset = of.dataset[setting.dataset or ""]
    recipe = of.recipes[dataset]
    return {
        "batch_size": of.batch_size[setting.batch_size],
        "channels": of.channels[setting.channels],
        "dataset": dataset,
        "resolution": DATASETS[dataset].resolution,
        "iterations": recipe.iterations,
        "n_critic": recipe.n_critic,
    }
