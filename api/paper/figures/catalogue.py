"""Catalogue of the paper's figures: what each shows, and the trials that show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from api.reading.memo import memoise_by_rows
from api.reading.snapshot import Row, Snapshot
from api.results.filters import Filters, matching
from sweep.paper import trends
from sweep.paper.claims import CONTROLS
from sweep.paper.contingency import sr_of
from sweep.paper.table2 import TABLE_II, MethodResult, SettingRow, published_sr, table2
from trainer.config.lookup import select
from trainer.config.settings import PROFILES, SETTINGS

HEALTHY = [name for name, row in TABLE_II.items() if not row.mode_collapse]
COLLAPSED = [name for name, row in TABLE_II.items() if row.mode_collapse]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Content of a figure. `layer` None is the last one, `layers` all says every one."""

    shows: str
    settings: Sequence[str]
    methods: Literal["sn", "sn and sr", "sn and branches", "sr over i"]
    layer: int | None = None
    layers: Literal["one", "all"] = "one"
    moments: Literal["snapshots", "last", "all"] = "snapshots"
    images: Sequence[str] = ()
    quantities: Sequence[str] = ("d",)


VIEWS: Mapping[int, View] = {
    2: View(
        shows="SN's last layer over iterations, where the paper saw no mode collapse",
        settings=HEALTHY, methods="sn",
    ),
    3: View(
        shows="SN's last layer over iterations, where the paper saw mode collapse",
        settings=COLLAPSED, methods="sn",
    ),
    4: View(
        shows="SN's layer_0 at the last iteration, every setting of a group",
        settings=[*SETTINGS], methods="sn", layer=0, moments="last",
    ),
    5: View(
        shows="SN's last layer and scores of one run, and which fell first",
        settings=["B_128-64"], methods="sn", moments="all",
    ),
    6: View(
        shows="SN and what branched off it: the rescue",
        settings=["E_2048-64"], methods="sn and branches", moments="all",
    ),
    7: View(
        shows="SN against SR on one setting, the controls beside them: scores and last layer",
        settings=["C_64-32"], methods="sn and sr", moments="all",
    ),
    9: View(
        shows="D(x) and L_D over i, on training and on generated images",
        settings=["A_128-128"], methods="sr over i", images=("training", "generated"),
        quantities=("d", "d_loss"),
    ),
    10: View(
        shows="D(x) over i, on training and on test images",
        settings=["A_128-128"], methods="sr over i", images=("training", "test"),
    ),
    11: View(
        shows="D(x) over i, on training, test and generated images",
        settings=["B_128-64"], methods="sr over i", images=("training", "test", "generated"),
    ),
    14: View(
        shows="SN's layers, all of them, over iterations",
        settings=["B_64-64"], methods="sn", layers="all",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureQuery:
    """Query for a figure: what a request changes of the figure's own content."""

    setting: Sequence[str] = ()
    group: Sequence[str] = ()
    profile: str | None = None
    seed: int | None = None
    layer: int | None = None
    iterations: Sequence[int] = ()
    points: int = 128


def profile_of(snapshot: Snapshot, name: str | None) -> str:
    """Profile by name; without one the paper's if it has a trial, else the first that has."""
    if name is not None:
        return select("profile", PROFILES, [name])[0]
    present = {row["profile"] for row in snapshot.records.values() if row["status"] != "planned"}
    # Those of own pictures have no row of Table I.
    profiles = [profile for profile, sizes in PROFILES.items() if sizes.dataset]
    return next((profile for profile in profiles if profile in present), profiles[0])


def settings_of(view: View, query: FigureQuery) -> list[str]:
    """Settings of the figure, or of the query, which may be any. Raises UsageError."""
    setting_names = select("setting", SETTINGS, query.setting) if query.setting else None
    groups = {setting.group: None for setting in SETTINGS.values()}
    if query.group:
        group_names = select("group", groups, query.group)
        pool = [*SETTINGS] if setting_names is None else setting_names
        return [name for name in pool if SETTINGS[name].group in group_names]
    return list(view.settings) if setting_names is None else setting_names


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The trials that a request's figure draws, and why a setting has none."""

    settings: list[str]
    profile: str
    rows: list[Row]
    missing: dict[str, str]


def select_trials(snapshot: Snapshot, view: View, query: FigureQuery) -> Selection:
    """Selects the trials of a figure. Raises UsageError for an unknown name."""
    settings = settings_of(view, query)
    profile = profile_of(snapshot, query.profile)
    rows, missing = rows_of(snapshot, view, settings, profile, query.seed)
    return Selection(settings=settings, profile=profile, rows=rows, missing=missing)


def rows_of(
    snapshot: Snapshot, view: View, settings: Sequence[str], profile: str, seed: int | None
) -> tuple[list[Row], dict[str, str]]:
    """The trials that a figure draws, and why a setting has none."""
    if not settings:
        return [], {}
    records, missing = [], {}
    filters = Filters(profile=[profile], setting=settings)
    started = [row for row in matching(snapshot, filters) if row["status"] != "planned"]
    by_setting: dict[str, list[Row]] = {name: [] for name in settings}
    for row in started:
        by_setting[row["setting"]].append(row)
    for name, rows in by_setting.items():
        ids = [pick for result in _results(view, rows, profile) if (pick := _pick(result, seed))]
        if view.methods == "sn and branches" and ids:
            branches = [row["trial_id"] for row in rows if row["parent"] in ids]
            ids += branches
            if not branches:
                missing[name] = f"nothing branched off {ids[0]}"
        records += [snapshot.records[trial_id] for trial_id in ids]
        if not ids:
            seed_text = "" if seed is None else f" with seed {seed}"
            missing[name] = f"no trial of {view.methods} in the {profile} profile{seed_text}"
    return records, missing


def _results(view: View, rows: Sequence[Row], profile: str) -> list[MethodResult]:
    """The methods of a setting as Table II and Fig. 8 have them, seed by seed.

    The others are left out before, because each takes as long as those that are drawn.
    """
    if not rows:
        return []
    setting = rows[0]["setting"]
    if view.methods == "sr over i":
        return _over_i([row for row in rows if row["method"] == trends.STATIC])
    candidates = {"sn"}
    if view.methods == "sn and sr":
        candidates |= {published_sr(setting), trends.STATIC, *CONTROLS}
    table = _table_row([row for row in rows if row["method"] in candidates], setting)
    methods = ["sn"]
    if view.methods == "sn and sr":
        methods += [sr_of(table, profile), *CONTROLS]
    measured = table.measured.get(profile, {})
    return [measured[method] for method in methods if method in measured]


@memoise_by_rows(size=32)
def _over_i(rows: Sequence[Row]) -> list[MethodResult]:
    return [point for trend in trends.fig8(rows) for point in trend.points]


@memoise_by_rows(size=64)
def _table_row(rows: Sequence[Row], setting: str) -> SettingRow:
    (table,) = [row for row in table2(rows, _no_curve) if row.setting == setting]
    return table


def _no_curve(trial_id: str) -> Sequence[Row]:
    return ()


def _pick(result: MethodResult, seed: int | None) -> str | None:
    """The trial of the seed, by default of the lowest."""
    return next((s.trial_id for s in result.seeds if seed in (None, s.seed)), None)
