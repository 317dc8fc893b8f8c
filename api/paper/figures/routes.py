"""The paper's figures as pictures: parse, take the data of `/fig/{number}`, draw."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request

from api.drawing.figure import Figure, no_figure, shown
from api.paper import survival, table2, trends
from api.paper.figures import catalogue, outputs, runs, scores, spectra
from api.paper.figures import data as figure_data
from api.paper.figures import survival as survival_figures
from api.paper.figures import trends as trend_figures
from api.paper.figures.data import FigureData
from api.reading.snapshot import NotFound, Row, Snapshot, trial_record
from api.results.filters import Filters, matching
from api.web.etags import conditional
from api.web.parameters import Now, Serving, known_parameters
from api.web.problems import RESPONSES
from sweep.paper.table2 import DEFAULT_I_RATIO
from trainer.config.lookup import UsageError, lookup
from trainer.config.settings import METHODS, PROFILES, SETTINGS

# By the figure's number, or its name where the paper has none: the experiment and its arguments.
EXPERIMENTS = {
    2: "table1 --methods sn,sr", 3: "table1 --methods sn,sr", 4: "table1 --methods sn,sr",
    5: "table1 --methods sn,sr", 7: "table1 --methods 'sn*,sr*'", 8: "fig8 --seeds 0-2",
    9: "fig8", 10: "fig8", 11: "fig8", 12: "fig12 --seeds 0-2", 14: "table1 --methods sn,sr",
    "survival": "table1 --methods 'sn*,sr*'", "seeds": "table1 --methods 'sn*,sr*'",
}  # fmt: skip

router = APIRouter(
    prefix="/figures", tags=["figures"], dependencies=[Depends(known_parameters)],
    responses=RESPONSES,
)  # fmt: skip

# Of each spectrum: as many as a small panel shows apart, and a small answer.
POINTS = 64
DRAWN: Mapping[int, Callable[[FigureData, str], Figure]] = {
    2: spectra.over_iterations,
    3: spectra.over_iterations,
    4: spectra.by_group,
    6: runs.rescue,
    7: runs.paired,
    9: outputs.over_i,
    10: outputs.by_images,
    11: outputs.by_images,
    14: spectra.every_layer,
}
Profile = Annotated[str, Query()]
OneName = Annotated[str | None, Query()]
OneNumber = Annotated[int | None, Query(ge=0)]


@router.get("/fig/{number}")
def fig(
    request: Request, snapshot: Now, service: Serving, number: int, profile: Profile = "digits",
    setting: OneName = None, group: OneName = None, seed: OneNumber = None,
    layer: OneNumber = None,
) -> Figure:  # fmt: skip
    """Figs. 2 to 4, 6, 7, 9 to 11 and 14 as pictures of what `/fig/{number}` gives."""
    if number not in DRAWN:
        raise NotFound(
            f"no picture of Fig. {number} here; there are: {', '.join(map(str, DRAWN))}"
        )
    asked = catalogue.Asked(
        setting=[setting] if setting else [], group=[group] if group else [], profile=profile,
        seed=seed, layer=layer, points=POINTS,
    )  # fmt: skip
    view = catalogue.VIEWS[number]
    chosen = catalogue.choose(snapshot, view, asked)
    conditional(request, f"{snapshot.id} {figure_data.version(service.store, view, chosen.rows)}")
    source = _source(f"/fig/{number}", profile=profile, setting=setting, group=group, seed=seed,
                     layer=layer)  # fmt: skip
    try:
        data = figure_data.figure(service.store, number, chosen, asked, snapshot.id)
    except UsageError as error:
        return shown(request, snapshot, no_figure(f"{error}.", source))
    if data.trials and not (number == 6 and not any(one.parent for one in data.trials)):
        return shown(request, snapshot, DRAWN[number](data, source))
    why = "; ".join(f"{name}: {why}" for name, why in [*data.missing.items()][:3])
    run = command(number, chosen.profile, chosen.settings)
    return shown(request, snapshot, no_figure(f"Nothing to show yet. {why}.", source, run))


def _source(path: str, **asked: str | int | None) -> str:
    known = {name: value for name, value in asked.items() if value is not None and value != ""}
    return f"{path}?{urlencode(known)}" if known else path


@router.get("/fig5")
def fig5(
    request: Request, snapshot: Now, service: Serving, trial_id: OneName = None,
    profile: Profile = "digits", setting: OneName = None, method: OneName = None,
    i_ratio: Annotated[float | None, Query()] = None, seed: OneNumber = None,
    layer: OneNumber = None,
) -> Figure:  # fmt: skip
    """Spectrum and scores of one run: of the trial, or of the first that is what was asked for."""
    view = catalogue.VIEWS[5]
    source = _source("/fig/5", profile=profile, setting=setting, seed=seed, layer=layer)
    if trial_id is not None:
        record = trial_record(snapshot, trial_id)
    else:
        found = _runs(snapshot, profile, setting, method, i_ratio)
        record = next((row for row in found if seed in (None, row["seed"])), None)
        if record is None:
            conditional(request, snapshot.id)
            seeds = ", ".join(str(row["seed"]) for row in found[:12])
            why = f"There are its seeds {seeds}." if found else "There is no such run yet."
            run = command(5, profile, [setting] if setting else [])
            return shown(request, snapshot, no_figure(why, source, run))
    conditional(request, f"{snapshot.id} {figure_data.version(service.store, view, [record])}")
    source = _source(f"/trials/{record['trial_id']}/spectra", layer=layer)
    asked = catalogue.Asked(layer=layer, points=2 * POINTS)
    try:
        trials, missing = figure_data.figure_trials(service.store, view, [record], asked)
    except UsageError as error:
        return shown(request, snapshot, no_figure(f"{error}.", source))
    if not trials:
        why = next(iter(missing.values()))
        return shown(request, snapshot, no_figure(f"{record['trial_id']}: {why}.", source))
    return shown(request, snapshot, runs.spectrum_and_scores(trials[0], source))


def _runs(
    snapshot: Snapshot, profile: str, setting: str | None, method: str | None, i: float | None
) -> list[Row]:
    """What has begun of that kind, by seed, those that branched off another last."""
    lookup("profile", PROFILES, profile)
    if setting:
        lookup("setting", SETTINGS, setting)
    if method:
        lookup("method", METHODS, method)
    filters = Filters(
        profile=[profile], setting=[setting] if setting else [], method=[method] if method else [],
        i_ratio=[] if i is None else [i],
    )  # fmt: skip
    begun = [row for row in matching(snapshot, filters) if row["status"] != "planned"]
    return sorted(begun, key=lambda row: (row["parent"] is not None, row["seed"]))


@router.get("/fig8")
def fig8(request: Request, snapshot: Now, setting: str, profile: Profile = "digits") -> Figure:
    """Best score against i of one setting."""
    conditional(request, snapshot.id)
    lookup("setting", SETTINGS, setting)
    source = _source("/fig8", setting=setting, profile=profile)
    begun = _runs(snapshot, profile, setting, None, None)
    items = trends.all_over_i(begun)
    if not any(seed.best is not None for i in items for p in i.points for seed in p.seeds):
        why = "No trial of this setting that lifts singular values has a score yet."
        return shown(request, snapshot, no_figure(why, source, command(8, profile, [setting])))
    return shown(request, snapshot, trend_figures.over_i(items, snapshot.records, source))


@router.get("/fig12")
def fig12(request: Request, snapshot: Now, profile: Profile = "digits") -> Figure:
    """Static against dynamic compensation by setting."""
    conditional(request, snapshot.id)
    lookup("profile", PROFILES, profile)
    source = _source("/fig12", profile=profile)
    of_profile = (row for row in snapshot.records.values() if row["profile"] == profile)
    items = [one for one in trends.all_static_dynamic(of_profile) if one.agrees]
    if not items:
        why = "No dynamic compensation has been run beside the static one."
        return shown(request, snapshot, no_figure(why, source, command(12, profile)))
    return shown(request, snapshot, scores.static_dynamic(items, source))


@router.get("/survival")
def kaplan_meier(request: Request, snapshot: Now, profile: Profile = "digits") -> Figure:
    """The share of runs without mode collapse over iterations, of Table II's runs by method."""
    conditional(request, snapshot.id)
    source = _source("/survival", profile=profile)
    rows = [r for r in _runs(snapshot, profile, None, None, None) if r["setting"] in SETTINGS]
    of_table = [
        row for row in rows if row["i_ratio"] in (None, DEFAULT_I_RATIO) and row["parent"] is None
    ]
    items = [item for item in survival.survival(of_table) if item.steps]
    if not items:
        empty = no_figure("No trial has begun yet.", source, command("survival", profile))
        return shown(request, snapshot, empty)
    return shown(request, snapshot, survival_figures.kaplan_meier(items, source))


@router.get("/seeds")
def seeds(
    request: Request, snapshot: Now, service: Serving, profile: Profile = "digits"
) -> Figure:
    """Every seed's best score by setting and method."""
    conditional(request, snapshot.id)
    lookup("profile", PROFILES, profile)
    rows = table2.setting_scores(snapshot, service.distances)
    if not any(profile in row.measured for row in rows):
        why = f"Nothing has been measured in the {profile} profile yet."
        return shown(request, snapshot, no_figure(why, "/table2", command("seeds", profile)))
    return shown(request, snapshot, scores.seeds(rows, profile, "/table2"))


def command(figure: int | str, profile: str, settings: Sequence[str] = ()) -> str:
    """A line for a shell that measures what the figure shows, of one setting if it is of one."""
    if figure == 6:
        return "python -m sweep.rescue --from-sweep NAME"
    data = " --data-root DIR" if profile == "paper" else ""
    of = f" --settings {settings[0]}" if len(settings) == 1 else ""
    return f"python -m sweep.{EXPERIMENTS[figure]} --profile {profile}{of}{data}"
