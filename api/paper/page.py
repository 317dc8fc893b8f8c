"""The page on which the paper's tables and figures stand beside what was measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from api.drawing.look import in_order
from api.pages.rendering import page
from api.paper import agreement, claims, headline, pickers, protocol, rivals, table2
from api.paper.page_figures import SECTIONS
from api.reading.memo import memoise_by_snapshot
from api.reading.snapshot import Snapshot
from api.web.parameters import Now, Serving
from api.web.service import tag_curves
from api.web.workers import heavy
from sweep.paper.claims import CONTROLS
from sweep.paper.rivals import pair_of
from sweep.paper.table2 import BASELINES, TABLE_II, SettingRow, published_sr
from sweep.store.store import Store
from trainer.config.settings import DATASETS, PROFILES, SETTINGS, Setting

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

# Seeds of a method on a setting that the table names one by one; of more, their range.
NAMED_SEEDS = 6


@router.get("/paper")
@heavy
def paper(
    request: Request,
    snapshot: Now,
    service: Serving,
    profile: Annotated[str | None, Query()] = None,
    print: Annotated[str | None, Query()] = None,
) -> Response:
    """Tables, claims and figures of the paper, published and measured."""
    tag_curves(request, service, snapshot, "text/html")
    rows = table2.setting_scores(snapshot, service.store)
    profiles = sorted({name for row in rows for name in row.measured})
    shown_profile = profile if profile in profiles else next(iter(profiles), "digits")
    contents = _profile_contents(snapshot, service.store, shown_profile)
    choices = {
        plate.id: pickers.choices(plate, contents["kinds"], request.query_params)
        for plates in SECTIONS.values()
        for plate in plates
    }
    addresses = {
        plate.id: pickers.address(plate, shown_profile, choices[plate.id])
        for plates in SECTIONS.values()
        for plate in plates
    }
    return page(
        request,
        "paper.html",
        rows=rows,
        profile=shown_profile,
        profiles=profiles,
        choices=choices,
        sections=SECTIONS,
        addresses=addresses,
        stills=print is not None,
        snapshot=snapshot.id,
        query=str(request.url.query),
        agreements=agreement.agreements_of(snapshot, service.store, shown_profile),
        groups={s: SETTINGS[s].group for s in TABLE_II},
        settings=SETTINGS,
        named_seeds=NAMED_SEEDS,
        **contents,
    )


# A snapshot is one object until the store changes, so this is worked out once for each.
@memoise_by_snapshot(size=4)
def _profile_contents(snapshot: Snapshot, store: Store, profile: str) -> Mapping[str, Any]:
    """Contents of the page that are the same for everyone who looks at the profile."""
    rows = table2.setting_scores(snapshot, store)
    contrasted = table2.table_rows(snapshot, store)
    started = [
        row
        for row in snapshot.records.values()
        if row["profile"] == profile and row["status"] != "planned"
    ]
    of_table = protocol.table2_records(started, profile)
    measured = [row for row in rows if row.measured.get(profile)]
    rest = [row for row in rows if not row.measured.get(profile)]
    return {
        "answer": headline.standing(rows, profile),
        "sentence": rivals.answers_of(contrasted).get(profile),
        "rivals": rivals.rivals_of(contrasted, profile),
        "baselines": BASELINES,
        "facts": protocol.facts(of_table),
        "outside": sum(row["setting"] not in SETTINGS for row in snapshot.records.values()),
        "reasons": protocol.reasons_against(rows, profile),
        "claims": claims.claims_of_rows(contrasted, snapshot),
        "kinds": pickers.kinds(started),
        "methods": in_order({method for row in measured for method in row.measured[profile]}),
        "measured": measured,
        "rest": rest,
        "rest_by_group": Counter(SETTINGS[row.setting].group for row in rest),
        "pairs": _pairs(rows, profile, contrasted),
        "run_as": {name: _run_as(setting, profile) for name, setting in SETTINGS.items()},
    }


def _pairs(
    rows: Sequence[Any], profile: str, contrasted: Sequence[SettingRow]
) -> dict[str, dict[str, Any]]:
    """Pairs by setting: SR less SN, the control that lifts nothing less SN, SR less that one."""
    pairs = {}
    for row, contrasts in zip(rows, contrasted, strict=True):
        row_pairs = row.pairs.get(profile, {})
        table_sr = published_sr(row.setting)
        sr = table_sr if table_sr in row_pairs else "sr-static"
        lifting = pair_of(contrasts, profile, sr, CONTROLS[0])
        pairs[row.setting] = {
            "name": sr,
            "lifting": None if lifting is None else table2.paired(lifting),
            "sr": row_pairs.get(sr),
            "control": row_pairs.get(CONTROLS[0]),
        }
    return pairs


def _run_as(setting: Setting, profile: str) -> dict[str, Any] | None:
    """Sizes and lengths that the profile gives a row of Table I.

    None where it gives none: pictures of one's own stand for no data set of the paper, and a
    store may hold runs of a profile that another release knows.
    """
    sizes = PROFILES.get(profile)
    dataset = sizes and sizes.dataset.get(setting.dataset or "")
    if sizes is None or dataset is None:
        return None
    recipe = sizes.recipes[dataset]
    return {
        "batch_size": sizes.batch_size[setting.batch_size],
        "channels": sizes.channels[setting.channels],
        "dataset": dataset,
        "resolution": DATASETS[dataset].resolution,
        "iterations": recipe.iterations,
        "n_critic": recipe.n_critic,
    }
