"""The paper's figures as pictures: parse, take the data of `/fig/{number}`, draw."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request

from api.drawing.figure import Figure, captioned, no_figure
from api.paper import rivals, survival, table2, trends
from api.paper.figures import catalogue, groups, outputs, runs, scores, spectra
from api.paper.figures.data import FigureData, figure_data, figure_files, figure_trials
from api.paper.figures.rivals import forest
from api.paper.figures.survival import survival_curves
from api.paper.figures.trends import scores_over_i
from api.reading.listings import versions
from api.reading.snapshot import NotFound, Row, Snapshot, trial_record
from api.results.filters import filters_of_kind, matching
from api.web.etags import not_modified_or_continue
from api.web.parameters import Now, Serving, known_parameters
from api.web.problems import RESPONSES
from api.web.service import tag_curves
from api.web.workers import heavy
from sweep.paper.table2 import DEFAULT_I_RATIO, is_paper_run
from sweep.store.store import Store
from trainer.config.lookup import UsageError, lookup
from trainer.config.settings import PROFILES, SETTINGS

# Experiment and arguments by the figure's number, or its name where the paper has none.
EXPERIMENTS = {
    2: "table1 --methods sn,sr", 3: "table1 --methods sn,sr", 4: "table1 --methods sn,sr",
    5: "table1 --methods sn,sr", 7: "table1 --methods 'sn*,sr*'", 8: "fig8 --seeds 0-2",
    9: "fig8", 10: "fig8", 11: "fig8", 12: "fig12 --seeds 0-2", 14: "table1 --methods sn,sr",
    "survival": "table1 --methods 'sn*,sr*'", "seeds": "table1 --methods 'sn*,sr*'",
    "rivals": "table1 --methods sn,sr-static,sn-renorm,sn-ttur --seeds 0-2",
}  # fmt: skip

router = APIRouter(
    prefix="/figures",
    tags=["figures"],
    dependencies=[Depends(known_parameters)],
    responses=RESPONSES,
)

# Points of each spectrum: as many as a small panel shows apart, and a small response.
POINTS = 64
DRAWINGS: Mapping[int, Callable[[FigureData, str], Figure]] = {
    2: spectra.over_iterations,
    3: spectra.over_iterations,
    4: groups.by_group,
    6: runs.rescue,
    7: runs.paired,
    9: outputs.over_i,
    10: outputs.by_images,
    11: outputs.by_images,
    14: spectra.every_layer,
}
# Their pictures show the trials of one setting, the first that has any.
OF_ONE_SETTING = (7, 9, 10, 11, 14)
Profile = Annotated[str, Query()]
OneName = Annotated[str | None, Query()]
OneNumber = Annotated[int | None, Query(ge=0)]


@router.get("/fig/{number}")
@heavy
def fig(
    request: Request,
    snapshot: Now,
    service: Serving,
    number: int,
    profile: Profile = "digits",
    setting: OneName = None,
    group: OneName = None,
    seed: OneNumber = None,
    layer: OneNumber = None,
) -> Figure:
    """Figs. 2 to 4, 6, 7, 9 to 11 and 14 as pictures of what `/fig/{number}` gives."""
    if number not in DRAWINGS:
        raise NotFound(
            f"no picture of Fig. {number} here; there are: {', '.join(map(str, DRAWINGS))}"
        )
    query = catalogue.FigureQuery(
        setting=[setting] if setting else [],
        group=[group] if group else [],
        profile=profile,
        seed=seed,
        layer=layer,
        points=POINTS,
    )
    view = catalogue.VIEWS[number]
    selection = catalogue.select_trials(snapshot, view, query)
    files = versions(service.store, snapshot, figure_files(view, selection.rows))
    not_modified_or_continue(request, " ".join([snapshot.id, *files.values()]))
    source = _source(
        f"/fig/{number}", profile=profile, setting=setting, group=group, seed=seed, layer=layer
    )
    try:
        data = _pictured_data(service.store, number, selection, query, snapshot.id, files)
    except UsageError as error:
        return captioned(request, snapshot, no_figure(f"{error}.", source))
    if data.trials and not (number == 6 and not any(trial.parent for trial in data.trials)):
        return captioned(request, snapshot, DRAWINGS[number](data, source))
    first_missing = [*data.missing.items()][:3]
    reasons = "; ".join(f"{name}: {reason}" for name, reason in first_missing)
    run = command(number, selection.profile, selection.settings)
    return captioned(request, snapshot, no_figure(f"Nothing to show yet. {reasons}.", source, run))


def _pictured_data(
    store: Store,
    number: int,
    selection: catalogue.Selection,
    query: catalogue.FigureQuery,
    snapshot: str,
    files: Mapping[str, str],
) -> FigureData:
    """Data of the figure; of its first setting that has any, where no other is drawn."""
    if number in OF_ONE_SETTING:
        for _, rows in itertools.groupby(selection.rows, key=itemgetter("setting")):
            part = dataclasses.replace(selection, rows=list(rows))
            data = figure_data(store, number, part, query, snapshot, files)
            if data.trials:
                return data
    return figure_data(store, number, selection, query, snapshot, files)


def _source(path: str, **parameters: str | int | None) -> str:
    present = {
        name: value for name, value in parameters.items() if value is not None and value != ""
    }
    return f"{path}?{urlencode(present)}" if present else path


@router.get("/fig5")
@heavy
def fig5(
    request: Request,
    snapshot: Now,
    service: Serving,
    trial_id: OneName = None,
    profile: Profile = "digits",
    setting: OneName = None,
    method: OneName = None,
    i_ratio: Annotated[float | None, Query()] = None,
    seed: OneNumber = None,
    layer: OneNumber = None,
) -> Figure:
    """Spectrum and scores of one run: of the trial, or of the first that is what was asked for."""
    view = catalogue.VIEWS[5]
    source = _source("/fig/5", profile=profile, setting=setting, seed=seed, layer=layer)
    if trial_id is not None:
        record = trial_record(snapshot, trial_id)
    else:
        candidates = _runs(snapshot, profile, setting, method, i_ratio)
        record = next((row for row in candidates if seed in (None, row["seed"])), None)
        if record is None:
            not_modified_or_continue(request, snapshot.id)
            seeds = ", ".join(str(row["seed"]) for row in candidates[:12])
            reason = f"There are its seeds {seeds}." if candidates else "There is no such run yet."
            run = command(5, profile, [setting] if setting else [])
            return captioned(request, snapshot, no_figure(reason, source, run))
    files = versions(service.store, snapshot, figure_files(view, [record]))
    not_modified_or_continue(request, " ".join([snapshot.id, *files.values()]))
    source = _source(f"/trials/{record['trial_id']}/spectra", layer=layer)
    query = catalogue.FigureQuery(layer=layer, points=2 * POINTS)
    try:
        trials, missing = figure_trials(service.store, view, [record], query, files)
    except UsageError as error:
        return captioned(request, snapshot, no_figure(f"{error}.", source))
    if not trials:
        reason = next(iter(missing.values()))
        return captioned(request, snapshot, no_figure(f"{record['trial_id']}: {reason}.", source))
    return captioned(request, snapshot, runs.spectrum_and_scores(trials[0], source))


def _runs(
    snapshot: Snapshot, profile: str, setting: str | None, method: str | None, i: float | None
) -> list[Row]:
    """Started trials of that kind, by seed, branches of others last."""
    filters = filters_of_kind(profile, setting, method, i)
    started = [row for row in matching(snapshot, filters) if row["status"] != "planned"]
    return sorted(started, key=lambda row: (row["parent"] is not None, row["seed"]))


@router.get("/fig8")
def fig8(request: Request, snapshot: Now, setting: str, profile: Profile = "digits") -> Figure:
    """Best score against i of one setting."""
    not_modified_or_continue(request, snapshot.id)
    lookup("setting", SETTINGS, setting)
    source = _source("/fig8", setting=setting, profile=profile)
    started = _runs(snapshot, profile, setting, None, None)
    items = trends.all_over_i(started)
    if not any(seed.best is not None for i in items for p in i.points for seed in p.seeds):
        reason = "No trial of this setting that lifts singular values has a score yet."
        return captioned(
            request, snapshot, no_figure(reason, source, command(8, profile, [setting]))
        )
    return captioned(request, snapshot, scores_over_i(items, snapshot.records, source))


@router.get("/fig12")
def fig12(request: Request, snapshot: Now, profile: Profile = "digits") -> Figure:
    """Static against dynamic compensation by setting."""
    not_modified_or_continue(request, snapshot.id)
    lookup("profile", PROFILES, profile)
    source = _source("/fig12", profile=profile)
    of_profile = (row for row in snapshot.records.values() if row["profile"] == profile)
    items = [item for item in trends.all_static_dynamic(of_profile) if item.agrees]
    if not items:
        reason = "No dynamic compensation has been run beside the static one."
        return captioned(request, snapshot, no_figure(reason, source, command(12, profile)))
    return captioned(request, snapshot, scores.static_dynamic(items, source))


@router.get("/survival")
def kaplan_meier(request: Request, snapshot: Now, profile: Profile = "digits") -> Figure:
    """The share of runs without mode collapse over iterations, of Table II's runs by method."""
    not_modified_or_continue(request, snapshot.id)
    source = _source("/survival", profile=profile)
    of_table = [
        row
        for row in _runs(snapshot, profile, None, None, None)
        if row["setting"] in SETTINGS
        and row["i_ratio"] in (None, DEFAULT_I_RATIO)
        and is_paper_run(row)
    ]
    items = [item for item in survival.survival(of_table) if item.steps]
    if not items:
        says = "No trial whose collapse can be judged has begun yet."
        empty = no_figure(says, source, command("survival", profile))
        return captioned(request, snapshot, empty)
    return captioned(request, snapshot, survival_curves(items, source))


@router.get("/seeds")
@heavy
def seeds(
    request: Request, snapshot: Now, service: Serving, profile: Profile = "digits"
) -> Figure:
    """Every seed's best score by setting and method."""
    tag_curves(request, service, snapshot)
    lookup("profile", PROFILES, profile)
    rows = table2.setting_scores(snapshot, service.store)
    if not any(profile in row.measured for row in rows):
        reason = f"Nothing has been measured in the {profile} profile yet."
        return captioned(
            request, snapshot, no_figure(reason, "/table2", command("seeds", profile))
        )
    return captioned(request, snapshot, scores.seeds(rows, profile, "/table2"))


@router.get("/rivals")
@heavy
def rival_methods(
    request: Request,
    snapshot: Now,
    service: Serving,
    profile: Profile = "digits",
    setting: OneName = None,
) -> Figure:
    """Differences to SN and its controls on a setting, by default on the one with most of them."""
    tag_curves(request, service, snapshot)
    lookup("profile", PROFILES, profile)
    if setting:
        lookup("setting", SETTINGS, setting)
    items = rivals.rivals_of(table2.table_rows(snapshot, service.store), profile)
    name = setting or rivals.most_measured(items)
    of_setting = [item for item in items if item.setting == name]
    if not of_setting:
        reason = "No seed has two methods to set against each other yet."
        run = command("rivals", profile, [setting] if setting else [])
        return captioned(request, snapshot, no_figure(reason, "/rivals", run))
    return captioned(request, snapshot, forest(of_setting, "/rivals"))


def command(figure: int | str, profile: str, settings: Sequence[str] = ()) -> str:
    """A line for a shell that measures what the figure shows, of one setting if it is of one."""
    if figure == 6:
        return "python -m sweep.rescue --from-sweep NAME"
    data_flag = " --data-root DIR" if profile == "paper" else ""
    setting_flag = f" --settings {settings[0]}" if len(settings) == 1 else ""
    return f"python -m sweep.{EXPERIMENTS[figure]} --profile {profile}{setting_flag}{data_flag}"
